import { GENEROUS_LIMITS } from "../../support/app.ts";
import { holdTransaction } from "../../support/transaction.ts";
import { until, untilBlockedForLongBy, untilWaiting } from "../../support/until.ts";
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

/** Both wait for the row of the session, which they have found live; `first` is the first in the queue. */
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
    await untilBlockedForLongBy(database.sql, lock.pid);
    const ending = second();
    await untilWaiting(database.sql, 2);
    await lock.commit();
    await ending;
    return await rotating;
  } finally {
    await lock.end();
  }
}
