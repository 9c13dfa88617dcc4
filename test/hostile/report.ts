import type { Result } from "./siege.ts";
import type { VictimFigures } from "./victim-figures.ts";

const COLUMNS = ["attack", "held", "s", "calls", "failed", "p99 ms", "ratio", "memory MiB", "fds"];

function row(result: Result): string[] {
  const { memoryMib, descriptors, victim } = result;
  return [
    result.name,
    result.held ? "yes" : "NO",
    String(result.seconds),
    String(victim.calls),
    String(victim.failed),
    String(victim.p99),
    String(result.p99Ratio),
    `${memoryMib.before} / ${memoryMib.peak} / ${memoryMib.after}`,
    `${descriptors.before} / ${descriptors.after}`,
  ];
}

/** A Markdown table of the results, and the sums below it. Memory: before, most, after. */
export function formatTable(results: readonly Result[], alone: VictimFigures): string {
  const rows = [COLUMNS, ...results.map(row)];
  const widths = COLUMNS.map((_, index) =>
    Math.max(...rows.map((cells) => cells[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  const inputs = results.flatMap((result) => (result.inputs ? [result.inputs] : []));
  const sum = (key: "tried" | "internal") => inputs.reduce((total, input) => total + input[key], 0);
  return [
    line(head),
    line(widths.map((width) => "-".repeat(width))),
    ...body.map(line),
    "",
    `alone: ${alone.calls} calls, p50 ${alone.p50} ms, p99 ${alone.p99} ms`,
    `bad inputs tried: ${sum("tried")}, answered as an internal error: ${sum("internal")}`,
    `attacks: ${results.length}, not held: ${results.filter(({ held }) => !held).length}`,
  ].join("\n");
}
