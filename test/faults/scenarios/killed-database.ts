import type { Scenario } from "../scenario.ts";
import { KILLS } from "../server.ts";
import { World } from "../world.ts";

/** PostgreSQL dies under load, in several ways, and recovers from its write-ahead log. */
export const killedDatabase: Scenario = {
  name: "killed-database",
  fault: "PostgreSQL killed under load",
  async run(server, scale) {
    await using world = await World.open(server);
    world.startLoad();
    const rounds = scale.of(3, 100);
    for (let round = 0; round < rounds; round += 1) {
      await world.load.more(100);
      await world.killDatabase(server, KILLS[round % KILLS.length] ?? "SIGKILL of the server");
    }
    const violations = await world.check();
    const lost = violations.filter(({ rule }) => rule.startsWith("acknowledged")).length;
    return { ...world.report(rounds, violations), figures: { "acknowledged changes lost": lost } };
  },
};
