import { broken, type Scenario } from "../scenario.ts";
import { KILLS } from "../server.ts";
import { World } from "../world.ts";

const LIMIT = 3;

const EXCEEDED = `
  SELECT actor_id AS "actorId", count(*)::integer AS count FROM sessions
  WHERE revoked_at IS NULL GROUP BY actor_id HAVING count(*) > ${LIMIT}`;

/** Both replicas create sessions of few actors at the limit, while connections break. */
export const sessionLimit: Scenario = {
  name: "session-limit",
  fault: "Session limit, with kills and cuts",
  async run(server, scale) {
    await using world = await World.open(server, { maxSessionsPerActor: LIMIT });
    world.startLoad();
    const violations = [];
    const rounds = scale.of(2, 30);
    for (let round = 0; round < rounds; round += 1) {
      await world.load.more(200);
      // Also in the middle: the sessions over the limit could have ended before the last look.
      for (const { actorId, count } of await world.database.sql(EXCEEDED)) {
        const text = `${actorId} has ${count} of ${LIMIT} in round ${round}`;
        violations.push(broken("more live sessions than the limit", text));
      }
      if (round % 2 === 0) {
        const brokenAt = performance.now();
        for (const { proxy } of world.replicas) proxy.cut();
        await world.recovered(brokenAt);
      } else {
        const kill = KILLS[((round - 1) / 2) % KILLS.length] ?? "SIGKILL of the server";
        await world.killDatabase(server, kill);
      }
    }
    violations.push(...(await world.check()));
    return world.report(rounds, violations);
  },
};
