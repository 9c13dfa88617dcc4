import { expect } from "chai";
import { byId, type OpenedSession, openSession, validate } from "../support/actors.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";
import { until, untilBlockedBy, untilWaiting } from "../support/until.ts";

const IDLE_SECONDS = 30 * 60;

describe("races at the idle deadline", () => {
  let replicas: TwoReplicas;
  let held: HeldTransaction | undefined;

  before(async () => {
    replicas = await startTwoReplicas({ env: { SESSIOND_TOUCH_INTERVAL: "0s" } });
  });
  afterEach(() => held?.end());
  after(() => replicas.stop());

  /** A touch that came in time, but waits for the row until after the idle deadline. */
  async function lateTouch(lock: string) {
    const { app, other } = replicas;
    const session = await openSession(app.client);
    const { id, cookie } = session;
    await idle(app, id, IDLE_SECONDS - 1);
    held = await holdTransaction(app.database);
    await held.query(lock, [id]);
    const touch = other.client.touch({ session: byId(id) }).then(
      () => "touched",
      () => "refused",
    );
    await untilBlockedBy(app.sql, held.pid);
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
      await Promise.race([ended, untilWaiting(app.sql, 2)]);

      await held.commit();

      await Promise.all([touch, ended]);
      const read = await app.client.get({ session: byId(session.id) });
      expect(read.session?.endedAt).not.to.equal(undefined);
      const refusal = await validate(app.client, session.cookie).catch(() => "refused");
      expect(refusal).to.equal("refused");
    });
  }

  it("retries a deadlock with a foreign transaction", async () => {
    // PostgreSQL ends the transaction that has waited for a second when the deadlock is there. On
    // a slow machine that may be the test's own, which shows nothing.
    for (let attempts = 1; (await deadlockAgainstRevokeAll()) === "test"; attempts += 1) {
      expect(attempts, "attempts").to.be.below(10);
    }
  });

  /** Says whose transaction PostgreSQL has ended. */
  async function deadlockAgainstRevokeAll(): Promise<"service" | "test"> {
    const { app } = replicas;
    const first = await openSession(app.client);
    const second = await openSession(app.client, { actor: first.actor });
    const [low = "", high = ""] = [first.id, second.id].sort();
    const transaction = await holdTransaction(app.database);
    held = transaction;
    const lock = "SELECT FROM sessions WHERE id = $1 FOR UPDATE";
    await transaction.query(lock, [high]);
    const revoked = app.client.revokeAllForActor({
      actor: first.actor,
      reason: "disabled",
      actingActorId: "admin",
    });
    await untilBlockedBy(app.sql, transaction.pid);

    // It holds the low one and waits for the high one.
    const ended = await transaction.query(lock, [low]).then(
      () => "service" as const,
      (error: { code?: string }) => {
        expect(error.code).to.equal("40P01");
        return "test" as const;
      },
    );
    await transaction.commit();

    expect((await revoked).revokedCount).to.equal(2);
    return ended;
  }
});
