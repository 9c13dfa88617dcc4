import { type Failover, missingForPatroni, PatroniCluster } from "../patroni.ts";
import { broken, type Scenario, Skipped } from "../scenario.ts";
import { World } from "../world.ts";

const QUICK: readonly Failover[] = ["kill", "switchover"];
const FULL: readonly Failover[] = ["kill", "switchover", "freeze"];

/** The primary goes away under load, and its synchronous standby is promoted. */
export const failover: Scenario = {
  name: "failover",
  fault: "failover to the synchronous standby",
  async run(_server, scale) {
    const missing = missingForPatroni();
    if (missing !== undefined && process.env.REQUIRE_HA !== "1") throw new Skipped(missing);
    await using cluster = await PatroniCluster.start();
    const database = await cluster.createDatabase();
    await using world = await World.open(_server, { database, withoutProxies: true });
    world.startLoad();
    const seconds = new Map<Failover, number[]>();
    const kinds = scale.of(QUICK, FULL);
    const rounds = scale.of(1, 10) * kinds.length;
    const violations = [];
    for (let round = 0; round < rounds; round += 1) {
      const kind = kinds[round % kinds.length] as Failover;
      await cluster.untilSynchronous();
      await world.load.more(300);
      const unknownBefore = world.recorder.count("unknown");
      const startedAt = performance.now();
      const bringBack = await cluster.failOver(kind);
      const recoveryMs = await world.recovered(startedAt);
      await bringBack();
      seconds.set(kind, [...(seconds.get(kind) ?? []), recoveryMs / 1000]);
      if (world.recorder.count("unknown") === unknownBefore) {
        violations.push(broken("fault without effect", `no call failed during a ${kind}`));
      }
    }
    await cluster.untilSynchronous();
    violations.push(...(await world.check()));
    const lost = violations.filter(({ rule }) => rule.startsWith("acknowledged")).length;
    const recoveries = [...seconds].map(([kind, taken]) => [`recovery by ${kind}`, spread(taken)]);
    const figures = { "acknowledged changes lost": lost, ...Object.fromEntries(recoveries) };
    return { ...world.report(rounds, violations), figures };
  },
};

/** Minimum, median and maximum. */
function spread(seconds: readonly number[]): string {
  const sorted = seconds.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  return [sorted[0], middle, sorted.at(-1)].map((value) => `${value?.toFixed(1)} s`).join(", ");
}
