import { expect } from "chai";
import { byId, type OpenedSession, openSession, validate } from "../support/actors.ts";
import { idle } from "../support/back-dating.ts";
import { deadlockOnce } from "../support/deadlock.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";
import { until, untilQueuedBehind, untilQueuedSecond } from "../support/until.ts";

const IDLE_SECONDS = 30 * 60;

describe("races at the idle deadline", () => {
  let replicas: TwoReplicas;
  let held: HeldTransaction | undefined;

  before(async () => {
    replicas = await startTwoReplicas({ env: { SESSIOND_TOUCH_INTERVAL: "0s" } });
  });
  afterEach(() => held?.end());
  after(() => replicas.stop());

  /**
   * A touch that came in time, but waits for the row until after the idle deadline. Where the
   * machine was too slow for it to come in time, another one is tried with more time left.
   */
  async function lateTouch(
    lock: string,
    secondsLeft = 1,
  ): Promise<{ session: OpenedSession; touch: Promise<string>; held: HeldTransaction }> {
    const { app, other } = replicas;
    const session = await openSession(app.client);
    const { id, cookie } = session;
    held = await holdTransaction(app.database);
    await idle(app, id, IDLE_SECONDS - secondsLeft);
    await held.query(lock, [id]);
    const touch = other.client.touch({ session: byId(id) }).then(
      () => "touched",
      () => "refused",
    );
    const waits = untilQueuedBehind(app.sql, held.pid, other).then(() => "waits");
    if ((await Promise.race([waits, touch])) !== "waits") {
      expect(await touch).to.equal("refused");
      waits.catch(() => {});
      await held.end();
      return lateTouch(lock, 2 * secondsLeft);
    }
    await until("the session has expired", () =>
      validate(app.client, cookie).then(
        () => false,
        () => true,
      ),
    );
    return { session, touch, held };
  }

  it("does not revive a session by a Touch that waited past the deadline for a change (A06)", async () => {
    const { app } = replicas;
    const { session, touch, held } = await lateTouch(
      "UPDATE sessions SET metadata = '{}' WHERE id = $1",
    );

    await held.commit();

    expect(await touch).to.equal("refused");
    await expectFailure(validate(app.client, session.cookie), "EXPIRED_IDLE");
  });

  const enders: Record<string, (session: OpenedSession) => Promise<unknown>> = {
    Revoke: ({ id }) =>
      replicas.app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "user" }),
    RevokeAllForActor: ({ actor }) =>
      replicas.app.client.revokeAllForActor({ actor, reason: "disabled", actingActorId: "admin" }),
    "Create that replaces it": ({ id, actor }) =>
      replicas.app.client.create({ actor, replaces: byId(id) }),
  };
  for (const [name, end] of Object.entries(enders)) {
    it(`does not undo a ${name} by a Touch that was under way at the deadline`, async () => {
      const { app } = replicas;
      const lock = "SELECT FROM sessions WHERE id = $1 FOR UPDATE";
      const { session, touch, held } = await lateTouch(lock);
      const ended = end(session);
      await Promise.race([ended, untilQueuedSecond(app.sql, app)]);

      await held.commit();

      await Promise.all([touch, ended]);
      const read = await app.client.get({ session: byId(session.id) });
      expect(read.session?.endedAt).not.to.equal(undefined);
      const refusal = await validate(app.client, session.cookie).catch(() => "refused");
      expect(refusal).to.equal("refused");
    });
  }

  it("retries a deadlock with a foreign transaction", async () => {
    const { app } = replicas;
    const { id, actor } = await openSession(app.client);
    const others = [
      await openSession(app.client, { actor }),
      await openSession(app.client, { actor }),
    ];
    const [low, middle, high] = [id, ...others.map((session) => session.id)].sort();
    const { revokedCount } = await deadlockOnce(
      app.database,
      {
        table: "sessions",
        lock: "SELECT FROM sessions WHERE id = $1 FOR UPDATE",
        rows: [low, middle, high],
        waiter: app,
      },
      () => app.client.revokeAllForActor({ actor, reason: "disabled", actingActorId: "admin" }),
    );
    expect(revokedCount).to.equal(3);
  });
});
