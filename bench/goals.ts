import { formatBytes } from "./format.ts";
import type { Figure, Sample } from "./sample.ts";
import { ratio, type Spread, spreadOf } from "./statistics.ts";

/** A goal and its measured figure. */
export interface GoalResult {
  readonly figure: string;
  /** Undefined for figures without a goal. */
  readonly goal: string | undefined;
  /** Undefined if a part of the figure was not measured. */
  readonly measured: Spread | undefined;
  readonly unit: "ratio" | "bytes";
  /** Undefined without a goal, or if it was not measured. */
  readonly reached: boolean | undefined;
}

export interface Bound {
  readonly at: "least" | "most";
  readonly value: number;
}

/** Compares the median of the values with the bound. */
export function evaluateGoal(
  figure: string,
  bound: Bound | undefined,
  values: readonly (number | undefined)[],
  unit: GoalResult["unit"] = "ratio",
): GoalResult {
  const measured = spreadOf(values);
  if (bound === undefined) return { figure, goal: undefined, measured, unit, reached: undefined };
  const shown = unit === "bytes" ? formatBytes(bound.value) : String(bound.value);
  const reached =
    measured === undefined
      ? undefined
      : bound.at === "least"
        ? measured.median >= bound.value
        : measured.median <= bound.value;
  return { figure, goal: `${bound.at === "least" ? "≥" : "≤"} ${shown}`, measured, unit, reached };
}

export interface Comparison {
  readonly figure: string;
  /** Undefined: there is no goal for it. */
  readonly bound: Bound | undefined;
  readonly of: Measured;
  readonly against: Measured;
}

interface Measured {
  readonly system: string;
  readonly figure: Figure;
  readonly inFlight: number;
}

const atLeast = (value: number): Bound => ({ at: "least", value });
const atMost = (value: number): Bound => ({ at: "most", value });

/** A comparison of two systems at the levels of the goals, or at others. */
function compare(
  words: string,
  bound: Bound | undefined,
  figure: Figure,
  [of, against]: readonly [of: string, against: string],
  levels: readonly number[] = [64, 256],
): Comparison[] {
  return levels.map((inFlight) => ({
    figure: `${words}, ${inFlight} in flight`,
    bound,
    of: { system: of, figure, inFlight },
    against: { system: against, figure, inFlight },
  }));
}

const throughput = "Validate throughput against";
const cpu = "CPU of the server for each Validate";
const emptyGrpcJs = "the empty grpc-js handler";

/** The goals of the HTTP/2 engine. */
const ENGINE_COMPARISONS: readonly Comparison[] = [
  ...compare(`${throughput} ${emptyGrpcJs}`, atLeast(2), "perSecond", ["validate", "grpc-js"]),
  ...compare(`${cpu} against ${emptyGrpcJs}`, atMost(0.4), "serverCpuUs", ["validate", "grpc-js"]),
  ...compare(`${cpu} against node:http2's constant answer`, atMost(1), "serverCpuUs", [
    "validate",
    "raw-http2",
  ]),
  ...compare(`${throughput} express-session with connect-pg-simple`, atLeast(6), "perSecond", [
    "validate",
    "express",
  ]),
  ...compare(`${throughput} express-session, with touch on both`, atLeast(8), "perSecond", [
    "validate-touch",
    "express-touch",
  ]),
  ...compare(
    "p50 of a Validate against an empty grpc-js call and one read by primary key",
    atMost(0.9),
    "p50Us",
    ["validate", "grpc-js-with-read"],
    [1],
  ),
  {
    figure: "Create throughput, 64 in flight, against pgbench's single-row INSERT, 8 clients",
    bound: atLeast(1.5),
    of: { system: "create", figure: "perSecond", inFlight: 64 },
    against: { system: "pgbench", figure: "perSecond", inFlight: 8 },
  },
  ...compare(`${cpu} over TLS against one without TLS`, undefined, "serverCpuUs", [
    "validate-tls",
    "validate",
  ]),
  ...compare("Validate throughput with 2 workers against 1", undefined, "perSecond", [
    "validate-workers",
    "validate",
  ]),
];

/** The systems of the goals of the HTTP/2 engine. */
export const ENGINE_SYSTEMS: readonly string[] = [
  ...new Set(ENGINE_COMPARISONS.flatMap(({ of, against }) => [of.system, against.system])),
];

/** The figures that compare systems in one round. */
export const COMPARISONS: readonly Comparison[] = [
  ...ENGINE_COMPARISONS,
  ...compare(`${throughput} the empty Connect handler`, atLeast(4), "perSecond", [
    "validate",
    "connect",
  ]),
];

/** The ratio in each round that measured both systems. The machine's speed changes between rounds. */
export function pairedRatios(
  samples: readonly Sample[],
  { of, against }: Pick<Comparison, "of" | "against">,
): number[] {
  const rounds = [...new Set(samples.map(({ round }) => round))];
  const value = (measured: Measured, round: number): number | undefined =>
    samples.find(
      (sample) =>
        sample.round === round &&
        sample.system === measured.system &&
        sample.inFlight === measured.inFlight,
    )?.[measured.figure];
  return rounds
    .map((round) => ratio(value(of, round), value(against, round)))
    .filter((value) => value !== undefined);
}

/** The comparisons of which at least one system was measured; those without a goal need both. */
export function compareSystems(samples: readonly Sample[]): GoalResult[] {
  const measured = (side: Measured): boolean =>
    samples.some(({ system, inFlight }) => system === side.system && inFlight === side.inFlight);
  return COMPARISONS.filter(({ bound, of, against }) =>
    bound === undefined ? measured(of) && measured(against) : measured(of) || measured(against),
  ).map((comparison) =>
    evaluateGoal(comparison.figure, comparison.bound, pairedRatios(samples, comparison)),
  );
}
