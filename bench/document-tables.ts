/** The tables of docs/performance.md. */
import { formatOf, megabytes, milliseconds, summarise, whole } from "./format.ts";
import { compareSystems, type GoalResult } from "./goals.ts";
import { evaluateGrowth, type GrowthSample } from "./growth.ts";
import { evaluateIdle } from "./idle.ts";
import { evaluateMemory, type MemoryResult } from "./memory.ts";
import type { ProfileResult } from "./profile.ts";
import type { Result } from "./report.ts";
import type { Sample } from "./sample.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import { evaluateSweep } from "./sweep.ts";
import { PGBENCH, titleOf } from "./systems.ts";

const ABSENT = "–";
/** The calls in flight of the table of all systems. */
const LEVELS = [64, 256];

/** The parts of all results. The newest result that has a part counts. */
export function mergeResults(results: readonly Result[]): Partial<Result> {
  const byAge = results.toSorted((a, b) => a.startedAt.localeCompare(b.startedAt));
  return Object.assign({}, ...byAge);
}

/**
 * Replaces what is between `<!-- table: NAME -->` and `<!-- end -->`. Tables whose part has not been
 * measured stay as they are.
 *
 * @throws {Error} if the page has a table that is not known
 */
export function fillTables(page: string, result: Partial<Result>): string {
  return page.replace(
    /(<!-- table: (\w+) -->\n)(.*?)(<!-- end -->)/gs,
    (_, start: string, name: string, old: string, end: string) => {
      const make = TABLES[name];
      if (make === undefined) throw new Error(`docs/performance.md has an unknown table: ${name}`);
      const made = make(result);
      return `${start}${made === undefined ? old : `\n${made}\n\n`}${end}`;
    },
  );
}

/** Undefined if the part has not been measured. */
const TABLES: Readonly<Record<string, (result: Partial<Result>) => string | undefined>> = {
  goals: goalsOf,
  systems: ({ systems }) => systems && systemsOf(systems),
  profile: ({ profile }) => profile && profileOf(profile),
  growth: ({ growth }) => growth && growthOf(growth),
  memory: ({ memory }) => memory && memoryOf(memory),
};

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The median, and for more than one measurement the extremes. */
function shown(spread: Spread | undefined, format: (value: number) => string): string {
  if (spread === undefined) return ABSENT;
  const { median, min, max, count } = spread;
  if (count === 1) return format(median);
  return `${format(median)} (${format(min)} to ${format(max)})`;
}

/** All goals, also those whose figures have not been measured. */
function goalsOf({ systems, growth, sweep, memory, idle }: Partial<Result>): string {
  const goals = [
    ...compareSystems(systems ?? []),
    ...evaluateMemory(memory ?? []),
    evaluateIdle(idle ?? []),
    ...evaluateGrowth(growth ?? []),
    ...(sweep === undefined ? [] : [evaluateSweep(sweep)]),
  ];
  return markdown(
    ["figure", "goal", "measured", ""],
    goals.map((goal) => [
      goal.figure,
      goal.goal ?? "",
      shown(goal.measured, formatOf(goal.unit)),
      outcome(goal),
    ]),
  );
}

function outcome({ measured, reached }: GoalResult): string {
  if (measured === undefined) return "not measured";
  return reached === undefined ? "" : reached ? "reached" : "missed";
}

function systemsOf(samples: readonly Sample[]): string {
  return markdown(
    ["system", "in flight", "calls/s", "p50 ms", "p99 ms", "CPU µs", "PostgreSQL µs", "peak MB"],
    summarise(samples.filter(inTable)).map(({ system, inFlight, figures }) => [
      titleOf(system),
      String(inFlight),
      shown(figures.perSecond, whole),
      shown(figures.p50Us, milliseconds),
      shown(figures.p99Us, milliseconds),
      shown(figures.serverCpuUs, whole),
      shown(figures.databaseCpuUs, whole),
      figures.peakMemoryBytes === undefined ? ABSENT : megabytes(figures.peakMemoryBytes.max),
    ]),
  );
}

function inTable({ system, inFlight }: Sample): boolean {
  return system === PGBENCH || LEVELS.includes(inFlight);
}

/** A column for each system and number of calls in flight. */
function profileOf(profiles: readonly ProfileResult[]): string {
  const purposes = [...new Set(profiles.flatMap(({ shares }) => shares.map((s) => s.purpose)))];
  return markdown(
    ["part", ...profiles.map(({ system, inFlight }) => `${titleOf(system)}, ${inFlight}`)],
    purposes.map((purpose) => [
      purpose,
      ...profiles.map(({ shares }) => {
        const share = shares.find((candidate) => candidate.purpose === purpose)?.share;
        return share === undefined ? ABSENT : `${Math.round(share * 100)} %`;
      }),
    ]),
  );
}

function growthOf(samples: readonly GrowthSample[]): string {
  const sizes = [...new Set(samples.map(({ sessions }) => sessions))].sort((a, b) => a - b);
  const figure = (
    sessions: number,
    system: string,
    inFlight: number,
    name: "p50Us" | "perSecond",
  ): Spread | undefined =>
    spreadOf(
      samples
        .filter((s) => s.sessions === sessions && s.system === system && s.inFlight === inFlight)
        .map((sample) => sample[name]),
    );
  return markdown(
    ["sessions", "Validate p50 ms, 1 in flight", "64 in flight", "Create calls/s, 64 in flight"],
    sizes.map((sessions) => [
      whole(sessions),
      shown(figure(sessions, "validate", 1, "p50Us"), milliseconds),
      shown(figure(sessions, "validate", 64, "p50Us"), milliseconds),
      shown(figure(sessions, "create", 64, "perSecond"), whole),
    ]),
  );
}

function memoryOf(results: readonly MemoryResult[]): string {
  const row = (
    title: string,
    figure: "fresh" | "before" | "peak" | "after" | "afterOrdinaryLoad",
  ) => [title, shown(spreadOf(results.map((result) => result[figure])), megabytes)] as const;
  return markdown(
    ["the process", "resident MB"],
    [
      row("fresh", "fresh"),
      row("after an ordinary load", "before"),
      row("at most, with 10,000 calls in flight on 1,000 connections", "peak"),
      row("afterwards, without connections", "after"),
      row("after another ordinary load", "afterOrdinaryLoad"),
    ],
  );
}
