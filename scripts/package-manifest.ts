/**
 * Takes out of package.json what the npm package does not need: the dependencies that its bundle
 * contains, and the scripts. npm packs what it finds on the disk, so `prepack` runs this, and
 * `postpack` runs it with `--restore`. These two scripts stay: after an interrupted `npm pack`, the
 * next one starts from the original and restores it, and so does `npm run postpack`.
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
  const { prepack, postpack } = scripts;
  writeFileSync(original, text);
  const reduced = { ...packed, scripts: { prepack, postpack } };
  writeFileSync(manifest, `${JSON.stringify(reduced, null, 2)}\n`);
}
