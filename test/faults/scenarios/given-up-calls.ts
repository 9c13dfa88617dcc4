import { numbers } from "../../support/in-parallel.ts";
import { until, untilWaiting } from "../../support/until.ts";
import { untilQuiet } from "../final-state.ts";
import type { OpenedSession, RecordingClient } from "../recorder.ts";
import type { Scenario } from "../scenario.ts";
import { World } from "../world.ts";

/** More than the two batches that are in flight at once. */
const CALLS = 12;

/**
 * Callers cancel, or their deadlines pass, while their statements wait for a lock: the statements end,
 * although the lock is still held.
 */
export const givenUpCalls: Scenario = {
  name: "given-up-calls",
  fault: "Deadline passes or caller cancels during a statement",
  async run(server, scale) {
    await using world = await World.open(server);
    const rounds = scale.of(2, 60);
    const { sql } = world.database;
    for (let round = 0; round < rounds; round += 1) {
      const clients = world.replicas.map((replica) => world.client(replica));
      const sessions = await Promise.all(
        numbers(CALLS).map(() =>
          until("a session is open", () => (clients[0] as RecordingClient).create()),
        ),
      );
      const lock = await world.database.connect();
      await lock.query("BEGIN; LOCK TABLE sessions IN SHARE ROW EXCLUSIVE MODE");
      const abort = new AbortController();
      const options =
        round % 2 === 0 ? { signal: abort.signal, timeoutMs: 60_000 } : { timeoutMs: 500 };
      const calls = clients.flatMap((client) => changesOf(client, sessions, options));
      if (round % 2 === 0) {
        await untilWaiting(sql, 4);
        abort.abort();
      }
      await Promise.all(calls);
      // The lock is held until here: what does not end by itself would wait forever.
      await untilQuiet(sql);
      await lock.end();
      await world.recovered(performance.now());
    }
    return world.report(rounds, await world.check());
  },
};

function changesOf(
  client: RecordingClient,
  sessions: readonly OpenedSession[],
  options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
): Promise<unknown>[] {
  return sessions.map((session, index) => {
    switch (index % 4) {
      case 0:
        return client.revoke(session, options);
      case 1:
        return client.touch(session, options);
      case 2:
        return client.rotateCsrf(session, options);
      default:
        return client.create({ ...options, replaces: session });
    }
  });
}
