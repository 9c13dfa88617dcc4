import type { Figure, Sample } from "./sample.ts";
import { ratio, type Spread, spreadOf } from "./statistics.ts";

/** A goal and its measured figure. */
export interface GoalResult {
  readonly figure: string;
  readonly goal: string;
  /** Undefined if a part of the figure was not measured. */
  readonly measured: Spread | undefined;
  readonly unit: "ratio" | "bytes";
  readonly reached: boolean | undefined;
}

export interface Bound {
  readonly at: "least" | "most";
  readonly value: number;
}

/** Compares the median of the values with the bound. */
export function evaluateGoal(
  figure: string,
  bound: Bound,
  values: readonly (number | undefined)[],
  unit: GoalResult["unit"] = "ratio",
): GoalResult {
  const measured = spreadOf(values);
  const shown = unit === "bytes" ? `${Math.round(bound.value / 1e6)} MB` : String(bound.value);
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
  readonly bound: Bound;
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

function throughput(
  system: string,
  against: string,
  inFlight: number,
  value: number,
  words: string,
): Comparison {
  return {
    figure: `${words}, ${inFlight} in flight`,
    bound: atLeast(value),
    of: { system, figure: "perSecond", inFlight },
    against: { system: against, figure: "perSecond", inFlight },
  };
}

function underLoad(inFlight: number): Comparison[] {
  const validate = "Validate throughput against";
  return [
    throughput("validate", "grpc-js", inFlight, 1, `${validate} the empty @grpc/grpc-js handler`),
    throughput("validate", "connect", inFlight, 4, `${validate} the empty Connect handler`),
    throughput("validate", "express", inFlight, 4, `${validate} express-session`),
    throughput("validate-touch", "express-touch", inFlight, 8, "the same with touch on both"),
    {
      figure: `CPU per Validate against the empty @grpc/grpc-js handler, ${inFlight} in flight`,
      bound: atMost(1.2),
      of: { system: "validate", figure: "serverCpuUs", inFlight },
      against: { system: "grpc-js", figure: "serverCpuUs", inFlight },
    },
  ];
}

/** The goals that compare systems in one round. */
export const COMPARISONS: readonly Comparison[] = [
  ...underLoad(64),
  ...underLoad(256),
  {
    figure: "p50 of a lone Validate against an empty call and one primary-key read",
    bound: atMost(1.15),
    of: { system: "validate", figure: "p50Us", inFlight: 1 },
    against: { system: "grpc-js-with-read", figure: "p50Us", inFlight: 1 },
  },
  {
    figure: "Create throughput, 64 in flight, against pgbench's INSERT with 8 clients",
    bound: atLeast(2),
    of: { system: "create", figure: "perSecond", inFlight: 64 },
    against: { system: "pgbench", figure: "perSecond", inFlight: 8 },
  },
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

/** The results of the goals for which at least one system was measured. */
export function compareSystems(samples: readonly Sample[]): GoalResult[] {
  const measured = (side: Measured): boolean =>
    samples.some(({ system, inFlight }) => system === side.system && inFlight === side.inFlight);
  return COMPARISONS.filter(({ of, against }) => measured(of) || measured(against)).map((goal) =>
    evaluateGoal(goal.figure, goal.bound, pairedRatios(samples, goal)),
  );
}
