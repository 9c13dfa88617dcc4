import type { GoalResult } from "./goals.ts";
import { FIGURES, type Sample, type WarmUp } from "./sample.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import { titleOf } from "./systems.ts";

const ABSENT = "–";

export interface Summary {
  readonly system: string;
  readonly inFlight: number;
  readonly figures: Readonly<Partial<Record<(typeof FIGURES)[number], Spread>>>;
}

/** Summarises the rounds, for each system and number of calls in flight. */
export function summarise(samples: readonly Sample[]): Summary[] {
  const groups = Map.groupBy(samples, ({ system, inFlight }) => `${system} ${inFlight}`);
  return [...groups.values()].map((group) => {
    const { system, inFlight } = group[0] as Sample;
    const spreads = FIGURES.flatMap((figure) => {
      const spread = spreadOf(group.map((sample) => sample[figure]));
      return spread === undefined ? [] : [[figure, spread] as const];
    });
    return { system, inFlight, figures: Object.fromEntries(spreads) };
  });
}

/** A table as text. The first column is aligned to the left, the others to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(header), rule, ...rows.map(line)].join("\n");
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const tenths = (value: number): string => value.toFixed(1);
export const milliseconds = (us: number): string => (us / 1000).toFixed(us < 10_000 ? 2 : 1);
export const megabytes = (bytes: number): string => whole(bytes / 1e6);
/** In MB, or below 1 MB in KB, both with powers of ten. */
export function formatBytes(bytes: number): string {
  return bytes < 1e6 ? `${Number((bytes / 1e3).toFixed(1))} KB` : `${megabytes(bytes)} MB`;
}
const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** The median and, for more than one measurement, the minimum and the maximum. */
function spread(value: Spread | undefined, format: (value: number) => string): string {
  if (value === undefined) return ABSENT;
  const { median, min, max, count } = value;
  return count === 1 ? format(median) : `${format(median)} (${format(min)}–${format(max)})`;
}

export function systemsTable(samples: readonly Sample[]): string {
  return table(
    [
      "system",
      "in flight",
      "calls/s",
      "p50 ms",
      "p99 ms",
      "CPU µs/call",
      "PostgreSQL µs/call",
      "peak MB",
      "generator busy",
      "wrote",
    ],
    summarise(samples).map(({ system, inFlight, figures }) => [
      titleOf(system),
      String(inFlight),
      spread(figures.perSecond, whole),
      spread(figures.p50Us, milliseconds),
      spread(figures.p99Us, milliseconds),
      spread(figures.serverCpuUs, tenths),
      spread(figures.databaseCpuUs, tenths),
      figures.peakMemoryBytes === undefined ? ABSENT : megabytes(figures.peakMemoryBytes.max),
      figures.generatorCpuShare === undefined ? ABSENT : percent(figures.generatorCpuShare.median),
      figures.writtenShare === undefined ? "" : percent(figures.writtenShare.median),
    ]),
  );
}

export function goalsTable(goals: readonly GoalResult[]): string {
  return table(
    ["figure", "goal", "measured", "reached"],
    goals.map(({ figure, goal, measured, unit, reached }) => [
      figure,
      goal ?? ABSENT,
      spread(measured, formatOf(unit)),
      reached === undefined ? ABSENT : reached ? "yes" : "no",
    ]),
  );
}

export function formatOf(unit: GoalResult["unit"]): (value: number) => string {
  return unit === "bytes" ? formatBytes : (value) => value.toFixed(2);
}

/**
 * Tells whether the load generator may have been the bottleneck. It uses one processor, and its highest
 * known throughput is that of the fastest system.
 */
export function generatorNote(samples: readonly Sample[]): string {
  const busiest = samples.reduce<Sample | undefined>(
    (most, sample) =>
      (sample.generatorCpuShare ?? 0) > (most?.generatorCpuShare ?? 0) ? sample : most,
    undefined,
  );
  const fastest = samples.reduce<Sample | undefined>(
    (most, sample) => (sample.perSecond > (most?.perSecond ?? 0) ? sample : most),
    undefined,
  );
  if (busiest?.generatorCpuShare === undefined || fastest === undefined) return "";
  return (
    `The load generator used at most ${percent(busiest.generatorCpuShare)} of one processor ` +
    `(${titleOf(busiest.system)}, ${busiest.inFlight} in flight), and delivered up to ` +
    `${whole(fastest.perSecond)} calls/s (${titleOf(fastest.system)}).`
  );
}

/** How long the warm-ups took, and which ended without steady rates. */
export function warmUpNote(warmUps: readonly WarmUp[]): string {
  const seconds = spreadOf(warmUps.map((warmUp) => warmUp.seconds));
  if (seconds === undefined) return "";
  const unsteady = warmUps
    .filter(({ steady }) => !steady)
    .map(({ system, round }) => `${titleOf(system)} in round ${round}`);
  const note = `Each warm-up took ${spread(seconds, tenths)} s.`;
  if (unsteady.length === 0) return note;
  return `${note} At the end of the warm-up rates were not steady yet: ${unsteady.join(", ")}.`;
}
