/**
 * Ends the process with one line if this Node is too old for the TypeScript sources or the bundle.
 * Plain JavaScript of 2020, so that it also runs on the versions that it refuses.
 */
import { readFileSync } from "node:fs";

const packageJson = readFileSync(new URL("../package.json", import.meta.url), "utf8");
const { engines, devDependencies } = JSON.parse(packageJson);
const required = engines.node.replace(">=", "");

if (isOlder(process.versions.node, required)) {
  // Only a checkout has development dependencies, and npm's scripts find the Node among them.
  const advice = devDependencies
    ? "install it, or run `npm ci` with the development dependencies, which bring their own"
    : "install it";
  const versions = `sessiond needs Node ${required} or newer, this is ${process.version}`;
  process.stderr.write(`${versions}: ${advice}\n`);
  process.exit(1);
}

/** Compares two versions such as 24.14.1 by their numbers. */
function isOlder(version, other) {
  const [numbers, others] = [version, other].map((text) =>
    text.split(".").map((part) => parseInt(part, 10)),
  );
  const index = numbers.findIndex((number, place) => number !== others[place]);
  return index >= 0 && numbers[index] < others[index];
}
