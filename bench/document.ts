/**
 * Writes the tables of docs/performance.md from bench/results/reference*.json. If several of these
 * files have the same part, the newest counts. With `--check`, writes nothing and fails if the page
 * differs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeOrCheckPage } from "../scripts/generated-page.ts";
import { fillTables, mergeResults } from "./document-tables.ts";
import type { Result } from "./report.ts";

const ROOT = join(import.meta.dirname, "..");
const RESULTS = join(ROOT, "bench/results");
const PAGE = join(ROOT, "docs/performance.md");

const results = readdirSync(RESULTS)
  .filter((name) => /^reference.*\.json$/.test(name))
  .map((name): Result => JSON.parse(readFileSync(join(RESULTS, name), "utf8")));
writeOrCheckPage(
  PAGE,
  fillTables(readFileSync(PAGE, "utf8"), mergeResults(results)),
  "docs/performance.md differs from bench/results: run node bench/document.ts",
);
