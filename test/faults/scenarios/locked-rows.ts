import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../gen/es/health/v1/health_pb.ts";
import { numbers } from "../../support/in-parallel.ts";
import { until } from "../../support/until.ts";
import type { OpenedSession } from "../recorder.ts";
import { broken, type Scenario } from "../scenario.ts";
import { World } from "../world.ts";

const POOL_SIZE = 4;
/** Of each replica: more than its pool has connections. */
const CALLERS = 12;

/**
 * Rows that sessions need are locked, and more callers wait for them than there are connections: the
 * wait is bounded, what does not fit is OVERLOADED, and the processes stay alive.
 */
export const lockedRows: Scenario = {
  name: "locked-rows",
  fault: "Pool exhausted by waits for locked rows",
  async run(server, scale) {
    await using world = await World.open(server, {
      env: {
        SESSIOND_DATABASE_POOL_SIZE: String(POOL_SIZE),
        SESSIOND_DATABASE_QUEUE_TIMEOUT: "500ms",
      },
    });
    const violations = [];
    const rounds = scale.of(1, 20);
    for (let round = 0; round < rounds; round += 1) {
      const lock = await world.database.connect();
      await lock.query("BEGIN");
      const sessions = await openSessions(world, CALLERS);
      await lock.query("SELECT FROM sessions WHERE id = ANY ($1) FOR UPDATE", [
        sessions.map(({ id }) => id),
      ]);
      const startedAt = performance.now();
      const options = { timeoutMs: 60_000 };
      const waiting = world.replicas.flatMap((replica) => {
        const client = world.client(replica);
        return sessions.map((session, index) =>
          index % 4 === 0 ? client.revoke(session, options) : client.rotateCsrf(session, options),
        );
      });
      await until("somebody is OVERLOADED on each replica", async () => {
        const refused = world.recorder.operations.filter(
          ({ reason, invokedAt }) => reason === "OVERLOADED" && invokedAt >= startedAt,
        );
        return new Set(refused.map(({ replica }) => replica)).size === world.replicas.length;
      });
      for (const { name, url } of world.replicas) {
        if (await isAlive(url)) continue;
        violations.push(broken("liveness", `${name} is not SERVING while rows are locked`));
      }
      await lock.end();
      await world.recovered(performance.now());
      await Promise.all(waiting);
    }
    violations.push(...(await world.check()));
    return world.report(rounds, violations);
  },
};

async function openSessions(world: World, count: number): Promise<OpenedSession[]> {
  const client = world.client(world.replicas[0] as World["replicas"][number]);
  return Promise.all(numbers(count).map(() => until("a session is open", () => client.create())));
}

/** What an orchestrator asks before it restarts a process. */
async function isAlive(url: string): Promise<boolean> {
  const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
  const status = await health.check({}, { timeoutMs: 60_000 }).catch(() => undefined);
  return status?.status === Status.SERVING;
}
