import { pgbouncer, startPgBouncer } from "../../support/pgbouncer.ts";
import { type Scenario, Skipped } from "../scenario.ts";
import { KILLS } from "../server.ts";
import { World } from "../world.ts";

/** Fewer than the replicas have, so that they share them. */
const SERVER_CONNECTIONS = 6;

/** Behind PgBouncer in transaction mode, PostgreSQL dies and connections break. */
export const pooledDatabase: Scenario = {
  name: "pgbouncer",
  fault: "PgBouncer in transaction mode, with kills and cuts",
  async run(server, scale) {
    if (pgbouncer === undefined) throw new Skipped("PgBouncer is not installed");
    const database = await server.createDatabase();
    await using stack = new AsyncDisposableStack();
    stack.defer(() => database.close());
    const bouncer = await startPgBouncer(database.url, SERVER_CONNECTIONS);
    stack.defer(() => bouncer.stop());
    await using world = await World.open(server, { database, databaseUrl: bouncer.url });
    world.startLoad();
    const rounds = scale.of(4, 30);
    for (let round = 0; round < rounds; round += 1) {
      await world.load.more(100);
      if (round % 2 === 0) {
        const brokenAt = performance.now();
        for (const { proxy } of world.replicas) proxy.cut();
        await world.recovered(brokenAt);
      } else {
        const kill = KILLS[((round - 1) / 2) % 2] ?? "SIGKILL of the server";
        await world.killDatabase(server, kill);
      }
    }
    return world.report(rounds, await world.check());
  },
};
