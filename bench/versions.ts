import { resolve } from "node:path";
import {
  type BurstComparison,
  type BurstSample,
  burstRatios,
  burstsTable,
  levelsOf,
  measureBursts,
  type Variant,
} from "./bursts.ts";
import type { Context } from "./context.ts";
import { createFixture, type Fixture } from "./fixture.ts";
import { evaluateGoal, type GoalResult } from "./goals.ts";

const COMPARISON: BurstComparison = {
  figure: "of this version against the other",
  of: "this",
  against: "other",
};

/**
 * The CPU time of Validate in this version and in another one. Each has a database with its schema and
 * as many sessions.
 *
 * @param other the root of the other version's checkout, with its `node_modules`
 */
export async function measureVersions(
  context: Context,
  fixture: Fixture,
  other: string,
): Promise<BurstSample[]> {
  const otherFixture = await createFixture(context, fixture.count, resolve(other));
  const variant = async (name: string, { sessiond, requests }: Fixture): Promise<Variant> => ({
    name,
    command: sessiond(),
    requests: await requests("validate"),
  });
  return measureBursts(context, [
    await variant("this", fixture),
    await variant("other", otherFixture),
  ]);
}

export function evaluateVersions(samples: readonly BurstSample[]): GoalResult[] {
  return levelsOf(samples).map((inFlight) =>
    evaluateGoal(
      `CPU per Validate against the other version, ${inFlight} in flight`,
      { at: "most", value: 1.03 },
      burstRatios(samples, COMPARISON, inFlight),
    ),
  );
}

export function versionsTable(samples: readonly BurstSample[]): string {
  return burstsTable(samples, [COMPARISON]);
}
