/**
 * Writes the tables of docs/metrics.md from the families of src/metrics. With `--check` it writes nothing and
 * fails if the page differs.
 */
import { readFileSync } from "node:fs";
import { FAMILY_GROUPS, type Family } from "../src/metrics/families.ts";
import { writeOrCheckPage } from "./generated-page.ts";

const target = new URL("../docs/metrics.md", import.meta.url);
const BEGIN = "<!-- families: written by scripts/metrics-docs.ts from src/metrics/families.ts -->";
const END = "<!-- end of families -->";

function tableOf(families: readonly Family[]): string {
  const rows = families.map(({ name, type, labels, help }) => {
    const labelled = labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${labelled} | ${help} |`;
  });
  return ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|", ...rows].join("\n");
}

/** The page with its tables in step. */
export function renderMetricsPage(page: string): string {
  const [before, rest = ""] = page.split(BEGIN);
  const [, after] = rest.split(END);
  if (after === undefined) throw new Error("docs/metrics.md has no place for the families");
  const tables = Object.entries(FAMILY_GROUPS).map(
    ([group, families]) => `### ${group}\n\n${tableOf(Object.values(families))}`,
  );
  return `${before}${BEGIN}\n\n${tables.join("\n\n")}\n\n${END}${after}`;
}

if (import.meta.main) {
  writeOrCheckPage(
    target,
    renderMetricsPage(readFileSync(target, "utf8")),
    "docs/metrics.md differs from the table of families: run `npm run docs`",
  );
}
