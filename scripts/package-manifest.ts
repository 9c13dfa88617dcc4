/**
 * Takes out of package.json what the npm package does not need: the dependencies that its bundle
 * contains, and the scripts. npm packs what it finds on the disk, so `prepack` runs this, and
 * `postpack` runs it with `--restore`. After a `npm pack` that was interrupted, the next one starts
 * from the original, too.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dirname, "..");
const manifest = join(root, "package.json");
const original = join(root, "package.json.original");

const { values } = parseArgs({ options: { restore: { type: "boolean" } } });
if (existsSync(original)) renameSync(original, manifest);
if (!values.restore) {
  const text = readFileSync(manifest, "utf8");
  const { dependencies, devDependencies, allowScripts, scripts, ...packed } = JSON.parse(text);
  writeFileSync(original, text);
  writeFileSync(manifest, `${JSON.stringify(packed, null, 2)}\n`);
}
