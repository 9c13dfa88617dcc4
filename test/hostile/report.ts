import type { ClientFigures } from "./client-figures.ts";
import type { Result } from "./run-attack.ts";

const COLUMNS = [
  "attack",
  "held",
  "s",
  "calls",
  "failed",
  "p99 ms",
  "ratio",
  "MiB before / open / after",
  "MiB peak",
  "fds",
];

function row(result: Result): string[] {
  const { memoryMib, descriptors, client } = result;
  return [
    result.name,
    result.held ? "yes" : "NO",
    String(result.seconds),
    String(client.calls),
    String(client.failed),
    String(client.p99),
    String(result.p99Ratio),
    `${memoryMib.before} / ${memoryMib.held} / ${memoryMib.after}`,
    `+${memoryMib.peakGrowth}`,
    `${descriptors.before} / ${descriptors.after}`,
  ];
}

/**
 * A Markdown table of the results, and the sums below it. Memory is what is in use after a garbage
 * collection: before, while the attack holds its connections open, and after; and the most by which
 * resident memory has grown.
 */
export function formatTable(results: readonly Result[], alone: readonly ClientFigures[]): string {
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
    ...alone.map(({ calls, p50, p99 }) => `alone: ${calls} calls, p50 ${p50} ms, p99 ${p99} ms`),
    `bad inputs tried: ${sum("tried")}, answered as an internal error: ${sum("internal")}`,
    `attacks: ${results.length}, not held: ${results.filter(({ held }) => !held).length}`,
  ].join("\n");
}
