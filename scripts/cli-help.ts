/** Writes what `--help` prints for each command into test/cli/help, with which a test compares it. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HELP_DIRECTORY, helpPages } from "../test/cli/help-pages.ts";

rmSync(HELP_DIRECTORY, { recursive: true, force: true });
mkdirSync(HELP_DIRECTORY);
for (const [name, text] of helpPages()) writeFileSync(join(HELP_DIRECTORY, name), text);
