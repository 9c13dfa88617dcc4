import { type ClientResult, count } from "./report.ts";
import type { Scenario, Sort } from "./scenario-file.ts";

const SORTS: readonly Sort[] = ["stubs", "apps"];

/** The clients of a table, in the order of its columns. */
function columnsOf(results: readonly ClientResult[], sort: Sort): readonly ClientResult[] {
  return results.filter((result) => result.sort === sort);
}

const CELLS = { passed: "✓", failed: "✗", "not applicable": "–" } as const;

function tableOf(
  scenarios: readonly Scenario[],
  results: readonly ClientResult[],
  sort: Sort,
): string {
  const columns = columnsOf(results, sort);
  const header = ["scenario", ...columns.map(({ name }) => name)];
  const rows = scenarios
    .filter((scenario) => scenario[sort] !== undefined)
    .map(({ name, title }) => {
      const outcomes = columns.map(({ outcomes }) => outcomes.get(name)?.result);
      return [title, ...outcomes.map((result) => (result === undefined ? "" : CELLS[result]))];
    });
  const passed = columns.map((column) => String(count([column]).passed));
  const lines = [header, header.map((_, i) => (i === 0 ? "---" : ":-:")), ...rows];
  lines.push(["passed", ...passed]);
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Why scenarios do not apply: a line for each client that has such. */
function notesOf(results: readonly ClientResult[]): string {
  const notes = results.flatMap(({ name, outcomes }) => {
    const reasons = [...outcomes.values()].flatMap((outcome) =>
      outcome.result === "not applicable" ? [outcome.why] : [],
    );
    const unique = [...new Set(reasons)];
    return unique.length === 0 ? [] : [`- ${name}: ${unique.join("; ")}.`];
  });
  return notes.length === 0 ? "" : `\n\n– does not apply:\n\n${notes.join("\n")}`;
}

/**
 * The document with the tables of this run between its markers.
 *
 * @throws {Error} if it lacks a marker
 */
export function withTables(
  document: string,
  scenarios: readonly Scenario[],
  results: readonly ClientResult[],
): string {
  return SORTS.reduce((text, sort) => {
    const notes = notesOf(columnsOf(results, sort));
    return withBlock(text, sort, `${tableOf(scenarios, results, sort)}${notes}`);
  }, document);
}

function withBlock(document: string, sort: Sort, block: string): string {
  const [begin, end] = [`<!-- table of ${sort} -->`, `<!-- end of table of ${sort} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no ${begin} … ${end}`);
  return `${document.slice(0, from)}${begin}\n\n${block}\n\n${document.slice(to)}`;
}
