import { readFileSync, writeFileSync } from "node:fs";

/**
 * Writes a page that a script makes. If the script was called with `--check`, writes nothing, and fails
 * the process if the page differs.
 *
 * @param difference says what differs from what, and how to make the page again
 */
export function writeOrCheckPage(path: string | URL, wanted: string, difference: string): void {
  if (!process.argv.includes("--check")) {
    writeFileSync(path, wanted);
    return;
  }
  let found = "";
  try {
    found = readFileSync(path, "utf8");
  } catch {
    // A missing file differs, and the message says what to do.
  }
  if (found === wanted) return;
  console.error(difference);
  process.exitCode = 1;
}
