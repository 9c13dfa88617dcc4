import { expect } from "chai";
import type { GarbageCollectResponse } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { byCookie, byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { age, idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { holdTransaction } from "../support/transaction.ts";

const DAY = 24 * 3600;

describe("sweep deletions", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({ env: { SESSIOND_SWEEP_BATCH_SIZE: "3" } });
  });
  after(() => app.stop());

  // Deletes what the last test left, so that the next one counts its own only.
  beforeEach(() => app.client.garbageCollect({}));

  const sweep = () => app.client.garbageCollect({});
  const counts = (answer: GarbageCollectResponse) => [
    answer.sessionsDeleted,
    answer.preLoginSessionsDeleted,
    answer.signingKeysDeleted,
    answer.auditEventsDeleted,
  ];
  const exists = async (id: string) =>
    (await app.sql("SELECT 1 FROM sessions WHERE id = $1", [id])).length > 0;
  const keyExists = async (id: string) =>
    (await app.sql("SELECT 1 FROM signing_keys WHERE id = $1", [id])).length > 0;

  const ageOldestAuditEvent = () =>
    app.sql(
      `UPDATE audit_events SET occurred_at = occurred_at - interval '90 days'
       WHERE id = (SELECT min(id) FROM audit_events)`,
    );

  /** A tenant whose first key was retired longer ago than the retention, with its session. */
  async function withExpiredKey() {
    const tenantId = newTenant();
    const opened = await openSession(app.client, { actor: newActor({ tenantId }) });
    const keyId = opened.created.session?.signingKeyId as string;
    await app.client.rotateSigningKey({ tenantId, actingActorId: "key-admin" });
    await app.sql(
      "UPDATE signing_keys SET retired_at = now() - interval '14 hours' WHERE id = $1",
      [keyId],
    );
    return { ...opened, keyId };
  }

  it("include expired sessions past the history window, in batches (A23, fault 6)", async () => {
    const past = [];
    for (let index = 0; index < 8; index += 1) {
      const { id } = await openSession(app.client);
      await age(app, id, 12 * 3600 + 7 * DAY);
      past.push(id);
    }
    const recent = await openSession(app.client);
    await age(app, recent.id, 12 * 3600 + 7 * DAY - 60);

    const answer = await sweep();

    expect(counts(answer)).to.deep.equal([8, 0, 0, 0]);
    expect(answer).to.include({ more: false, alreadyRunning: false });
    for (const id of past) {
      await expectFailure(app.client.get({ session: byId(id) }), "SESSION_NOT_FOUND");
    }
    expect(await exists(recent.id)).to.equal(true);
    expect(counts(await sweep())).to.deep.equal([0, 0, 0, 0]);
  });

  it("spare live sessions of any age and those that ended within the window (A23, fault 6)", async () => {
    const live = await openSession(app.client);
    await age(app, live.id, 11 * 3600);
    await idle(app, live.id, 0);
    const idled = await openSession(app.client);
    await idle(app, idled.id, 3 * 3600);
    const revoked = await openSession(app.client);
    await app.client.revoke({ session: byCookie(revoked.cookie) });

    expect(counts(await sweep())).to.deep.equal([0, 0, 0, 0]);

    expect((await validate(app.client, live.cookie)).session?.id).to.equal(live.id);
    await expectFailure(validate(app.client, idled.cookie), "EXPIRED_IDLE");
    await expectFailure(validate(app.client, revoked.cookie), "REVOKED");
  });

  it("include pre-login sessions after their 10 minutes, without a history (A23)", async () => {
    const past = await openSession(app.client, { preLogin: true });
    await age(app, past.id, 600);
    const recent = await openSession(app.client, { preLogin: true });
    await age(app, recent.id, 570);

    expect(counts(await sweep())).to.deep.equal([0, 1, 0, 0]);
    expect(await exists(past.id)).to.equal(false);
    expect(await exists(recent.id)).to.equal(true);
  });

  it("include a key past its retention that nothing refers to (A23)", async () => {
    const { id, cookie, keyId } = await withExpiredKey();
    await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
    expect(counts(await sweep())).to.deep.equal([0, 0, 1, 0]);
    expect(await keyExists(keyId)).to.equal(false);
    await expectFailure(validate(app.client, cookie), "SIGNING_KEY_NOT_FOUND");
  });

  it("spare a key that a session still refers to, without a failed part (A23)", async () => {
    const { id, keyId } = await withExpiredKey();
    const unreferred = await withExpiredKey();
    await app.sql("DELETE FROM sessions WHERE id = $1", [unreferred.id]);

    const answer = await sweep();

    expect(counts(answer)).to.deep.equal([0, 0, 1, 0]);
    expect(answer.failedParts).to.be.empty;
    expect(await keyExists(keyId)).to.equal(true);
    expect(await keyExists(unreferred.keyId)).to.equal(false);

    await age(app, id, 8 * DAY);
    expect(counts(await sweep())).to.deep.equal([1, 0, 1, 0]);
  });

  it("spare an active key and one within its retention (A23)", async () => {
    const tenantId = newTenant();
    await app.client.rotateSigningKey({ tenantId, actingActorId: "key-admin" });
    await app.client.rotateSigningKey({ tenantId, actingActorId: "key-admin" });
    expect((await sweep()).signingKeysDeleted).to.equal(0);
    const { signingKeys } = await app.client.listSigningKeys({ tenantId });
    expect(signingKeys).to.have.length(2);
  });

  it("include audit events past their retention (A23)", async () => {
    const { id } = await openSession(app.client);
    const { actor } = await openSession(app.client);
    await ageOldestAuditEvent();
    expect((await sweep()).auditEventsDeleted).to.equal(1);
    for (const filter of [{ resourceId: id }, { actingActorId: actor.actorId }]) {
      expect((await app.client.listAuditEvents(filter)).auditEvents).to.have.length(1);
    }
  });

  for (const { part, counted } of [
    { part: "signing_keys", counted: [1, 1, 0, 1] },
    { part: "audit_events", counted: [1, 1, 1, 0] },
  ]) {
    it(`are made and counted in the other parts where ${part} fails (A23)`, async () => {
      const expired = await withExpiredKey();
      await app.sql("DELETE FROM sessions WHERE id = $1", [expired.id]);
      const past = await openSession(app.client);
      await age(app, past.id, 8 * DAY);
      const preLogin = await openSession(app.client, { preLogin: true });
      await age(app, preLogin.id, 600);
      await ageOldestAuditEvent();

      await app.sql(`ALTER TABLE ${part} RENAME TO away`);
      const answer = await sweep();
      await app.sql(`ALTER TABLE away RENAME TO ${part}`);

      expect(counts(answer)).to.deep.equal(counted);
      expect(answer.failedParts).to.deep.equal([part]);
      const again = await sweep();
      expect(again.failedParts).to.be.empty;
      expect(again.signingKeysDeleted + again.auditEventsDeleted).to.equal(1);
    });
  }

  it("leave a locked session to the next sweep (A23)", async () => {
    const locked = await openSession(app.client);
    const free = await openSession(app.client);
    for (const { id } of [locked, free]) await age(app, id, 8 * DAY);
    const held = await holdTransaction(app.database);
    try {
      await held.query("SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE", [locked.id]);
      expect((await sweep()).sessionsDeleted).to.equal(1);
      expect(await exists(locked.id)).to.equal(true);
      await held.commit();
    } finally {
      await held.end();
    }
    expect((await sweep()).sessionsDeleted).to.equal(1);
  });
});
