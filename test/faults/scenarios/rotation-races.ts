import { GENEROUS_LIMITS } from "../../support/app.ts";
import { holdTransaction } from "../../support/transaction.ts";
import { type Sql, until } from "../../support/until.ts";
import type { OpenedSession, RecordingClient } from "../recorder.ts";
import type { Scenario } from "../scenario.ts";
import { World } from "../world.ts";

const GRACE_MS = 10_000;
const TIMEOUT_MS = 60_000;

/**
 * A session is rotated on one replica and ended on the other one, at the same moment: none of its
 * successors stays live. Half of the time, the order is enforced in which both have found the session
 * live, and the rotation is done first.
 */
export const rotationRaces: Scenario = {
  name: "rotation-races",
  fault: "RotateSession against Revoke, Create with `replaces` and RotateSession",
  async run(server, scale) {
    await using world = await World.open(server, { env: GENEROUS_LIMITS });
    const [a, b] = world.replicas.map((replica) => world.client(replica)) as [
      RecordingClient,
      RecordingClient,
    ];
    const count = scale.of(48, 2000);
    for (let index = 0; index < count; index += 1) {
      const session = await until("a session is open", () => a.create());
      const graceMs = index % 2 === 0 ? GRACE_MS : 0;
      const rotate = () => a.rotateSession(session, { graceMs, timeoutMs: TIMEOUT_MS });
      const other = OTHERS[Math.floor(index / 4) % OTHERS.length] as Other;
      const isOrdered = Math.floor(index / 2) % 2 === 0;
      const successor = isOrdered
        ? await inOrder(world, session, rotate, () => other(b, session, { foundLive: true }))
        : (await Promise.all([rotate(), other(b, session, {})]))[0];
      await b.validate(session);
      if (successor !== undefined) await b.validate(successor);
    }
    return world.report(count, await world.check());
  },
};

type Other = (
  client: RecordingClient,
  session: OpenedSession,
  options: { readonly foundLive?: true },
) => Promise<unknown>;

const OTHERS: readonly Other[] = [
  (client, session, options) => client.revoke(session, { ...options, timeoutMs: TIMEOUT_MS }),
  (client, session, options) =>
    client.create({
      ...options,
      actorId: session.actorId,
      replaces: session,
      timeoutMs: TIMEOUT_MS,
    }),
  (client, session) => client.rotateSession(session, { timeoutMs: TIMEOUT_MS }),
];

/**
 * Both wait for the row of the session, which they have found live; `first` is the first in the queue, unless
 * the machine is so busy that a brief attempt looks like a long one.
 */
async function inOrder<T>(
  { database }: World,
  { id }: OpenedSession,
  first: () => Promise<T>,
  second: () => Promise<unknown>,
): Promise<T> {
  const lock = await holdTransaction(database);
  try {
    await lock.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [id]);
    const rotating = first();
    await untilWaitingForLong(database.sql, 1);
    const ending = second();
    await untilWaitingForLong(database.sql, 2);
    await lock.commit();
    await ending;
    return await rotating;
  } finally {
    await lock.end();
  }
}

/** How many polls in a row see the same wait before it counts as long: 200 ms, more on a busy machine. */
const POLLS_OF_LONG_WAIT = 20;

/**
 * Waits until that many connections wait for locks past the brief attempt with which work that may meet a
 * lock begins: between its two attempts, a call has no place in the queue.
 */
async function untilWaitingForLong(sql: Sql, count: number): Promise<void> {
  const text = `SELECT pid || ' since ' || query_start AS wait FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`;
  let polls = new Map<string, number>();
  await until(`${count} connections wait for locks, not only briefly`, async () => {
    const waits = (await sql(text)) as { wait: string }[];
    polls = new Map(waits.map(({ wait }) => [wait, (polls.get(wait) ?? 0) + 1]));
    return [...polls.values()].filter((seen) => seen >= POLLS_OF_LONG_WAIT).length >= count;
  });
}
