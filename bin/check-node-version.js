/**
 * Ends the process with one line if this Node is too old for the TypeScript sources or the bundle.
 * Plain JavaScript of 2020, so that it also runs on the versions that it refuses.
 */
import { readFileSync } from "node:fs";

const packageJson = readFileSync(new URL("../package.json", import.meta.url), "utf8");
const { engines, devDependencies } = JSON.parse(packageJson);
const required = engines.node.replace(">=", "");
const [requiredMajor, requiredMinor] = required.split(".").map(Number);
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < requiredMajor || (major === requiredMajor && minor < requiredMinor)) {
  // Only a checkout has development dependencies, and npm's scripts find the Node among them.
  const advice = devDependencies
    ? "install it, or run `npm ci` with the development dependencies, which bring their own"
    : "install it";
  const versions = `sessiond needs Node ${required} or newer, this is ${process.version}`;
  process.stderr.write(`${versions}: ${advice}\n`);
  process.exit(1);
}
