import type { Context } from "./context.ts";
import { checkpoint, databaseTime } from "./database.ts";
import { createFixture, type Fixture } from "./fixture.ts";
import { whole } from "./format.ts";
import { evaluateGoal, type GoalResult } from "./goals.ts";
import { measure, warmUp } from "./measure.ts";
import type { Sample } from "./sample.ts";
import { removeAdditions } from "./seed.ts";
import { ratio } from "./statistics.ts";
import { SYSTEMS } from "./systems.ts";

const LEVELS = [1, 64];
const MEASURED = ["validate", "create"];

/** A sample with the number of sessions in the database. */
export interface GrowthSample extends Sample {
  readonly sessions: number;
}

/** Measures Validate and Create with each number of sessions of the options. */
export async function measureGrowth(
  context: Context,
  existing: Fixture | undefined,
): Promise<GrowthSample[]> {
  const { options } = context;
  const fixtures: Fixture[] = [];
  for (const count of options.growth) {
    fixtures.push(existing?.count === count ? existing : await createFixture(context, count));
  }
  const samples: GrowthSample[] = [];
  for (const fixture of fixtures) {
    for (const name of MEASURED) await requestsOf(name, fixture, context);
  }
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const fixture of fixtures) {
      const title = `growth, round ${round} of ${options.rounds}: ${fixture.count} sessions`;
      await context.progress.phase(title, async () => {
        samples.push(...(await measureFixture(context, fixture, round)));
      });
    }
  }
  return samples;
}

function systemNamed(name: string) {
  const system = SYSTEMS.find((candidate) => candidate.name === name);
  if (system === undefined) throw new Error(`there is no system ${name}`);
  return system;
}

function requestsOf(name: string, fixture: Fixture, context: Context) {
  const length = { inFlight: 1, durationMs: context.options.durationMs };
  return systemNamed(name).requests(fixture, length, context.signal);
}

async function measureFixture(
  context: Context,
  fixture: Fixture,
  round: number,
): Promise<GrowthSample[]> {
  const { durationMs, warmUpMs } = context.options;
  const since = await databaseTime(fixture.sql);
  await checkpoint(fixture.sql);
  const samples: GrowthSample[] = [];
  await context.withServer(fixture.sessiond(), async (server) => {
    for (const name of MEASURED) {
      const { path, protocol } = systemNamed(name);
      const { file, order } = await requestsOf(name, fixture, context);
      const target = { system: name, path, protocol, requests: file, order };
      await warmUp(context, server, target, { round, limitMs: warmUpMs });
      for (const inFlight of LEVELS) {
        const sample = await measure(context, server, target, { inFlight, round, durationMs });
        samples.push({ ...sample, sessions: fixture.count });
      }
    }
  });
  await removeAdditions(fixture.sql, since);
  return samples;
}

export function evaluateGrowth(samples: readonly GrowthSample[]): GoalResult[] {
  const sizes = samples.map(({ sessions }) => sessions);
  const [smallest, largest] = [Math.min(...sizes), Math.max(...sizes)];
  if (!(smallest < largest)) return [];
  return LEVELS.map((inFlight) => {
    const p50 = (sessions: number, round: number) =>
      samples.find(
        (sample) =>
          sample.system === "validate" &&
          sample.inFlight === inFlight &&
          sample.sessions === sessions &&
          sample.round === round,
      )?.p50Us;
    const rounds = [...new Set(samples.map(({ round }) => round))];
    return evaluateGoal(
      `Validate p50 with ${whole(largest)} sessions against ${whole(smallest)}, ${inFlight} in flight`,
      { at: "most", value: 1.25 },
      rounds.map((round) => ratio(p50(largest, round), p50(smallest, round))),
    );
  });
}
