import { expect } from "chai";
import { byId, newActor, newTenant, openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { age } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;

describe("history and clean-up", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  it("List shows the active sessions and nothing secret (B08)", async () => {
    const actor = newActor();
    const [laptop, phone, ended] = await Promise.all(
      ["Laptop/1", "Phone/1", "Old/1"].map((userAgent) =>
        openSession(app.client, {
          actor,
          userAgent,
          ipAddress: "192.0.2.1",
          appType: "tenant_app",
        }),
      ),
    );
    await age(app, ended?.id ?? "", HOUR);

    const { sessions } = await app.client.list({ actor });

    expect(sessions.map(({ userAgent }) => userAgent)).to.have.members(["Laptop/1", "Phone/1"]);
    expect(sessions.every(({ ipAddress }) => ipAddress === "192.0.2.1")).to.equal(true);
    const text = JSON.stringify(sessions, (_key, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    const [row] = await app.sql(
      `SELECT encode(csrf_token_hash, 'hex') AS hex, encode(csrf_token_hash, 'base64') AS base64
       FROM sessions WHERE id = $1`,
      [laptop?.id],
    );
    const mac = (cookie = "") => cookie.split(".")[3] ?? cookie;
    const secrets = [mac(laptop?.cookie), mac(phone?.cookie), laptop?.csrfToken, phone?.csrfToken];
    for (const secret of [...secrets, row?.hex, row?.base64]) {
      expect(secret).to.have.length.greaterThan(20);
      expect(text).not.to.include(secret);
    }
  });

  it("an ended session stays in List for the history window, with its end and reason (B09)", async () => {
    const actor = newActor();
    const [loggedOut, expired] = await Promise.all([
      openSession(app.client, { actor }),
      openSession(app.client, { actor }),
    ]);
    await app.client.revoke({
      session: byId(loggedOut.id),
      reason: "logout",
      actingActorId: actor.actorId,
    });
    // A little less than the window since the session could last have been live.
    await age(app, loggedOut.id, 7 * DAY);
    await age(app, expired.id, 7 * DAY);

    await app.client.garbageCollect({});

    const { sessions } = await app.client.list({ actor, includeEnded: true });
    expect(sessions.map(({ id, endReason }) => [id, endReason])).to.have.deep.members([
      [loggedOut.id, "logout"],
      [expired.id, "idle_timeout"],
    ]);
    for (const session of sessions) expect(session.endedAt).not.to.equal(undefined);
    expect((await app.client.list({ actor })).sessions).to.deep.equal([]);
  });

  it("an ended session is deleted after the window, and its actor stays in the audit (B09)", async () => {
    const { id, actor } = await openSession(app.client);
    await age(app, id, 7 * DAY + 13 * HOUR);

    await app.client.garbageCollect({});

    await expectFailure(app.client.get({ session: byId(id) }), "SESSION_NOT_FOUND");
    const { auditEvents } = await app.client.listAuditEvents({ resourceId: id });
    expect(auditEvents.map(({ action, actingActorId }) => [action, actingActorId])).to.deep.equal([
      ["auth.session_created", actor.actorId],
    ]);
  });

  it("GarbageCollect returns how many rows of each kind it deleted (C02)", async () => {
    const tenantId = newTenant();
    const open = (preLogin: boolean) =>
      openSession(app.client, { actor: newActor({ tenantId }), preLogin });
    const old = await Promise.all([open(false), open(false), open(false)]);
    const preLogin = await Promise.all([open(true), open(true)]);
    const live = [await open(false), await open(true)];
    await app.client.garbageCollect({});
    for (const { id } of old) await age(app, id, 30 * DAY);
    for (const { id } of preLogin) await age(app, id, 11 * 60);
    await app.sql("UPDATE audit_events SET occurred_at = '2020-01-01' WHERE resource_id = $1", [
      old[0]?.id,
    ]);
    // Audit events are deleted from the front, so that older ones of other tests must not be there.
    await app.sql(
      `DELETE FROM audit_events WHERE id < (SELECT id FROM audit_events WHERE resource_id = $1)`,
      [old[0]?.id],
    );

    const answer = await app.client.garbageCollect({});

    expect(answer).to.include({
      sessionsDeleted: 3,
      preLoginSessionsDeleted: 2,
      auditEventsDeleted: 1,
      more: false,
      alreadyRunning: false,
    });
    expect(answer.failedParts).to.deep.equal([]);
    for (const { id } of live) await app.client.get({ session: byId(id) });
    expect(await app.client.garbageCollect({}), "again").to.include({
      sessionsDeleted: 0,
      preLoginSessionsDeleted: 0,
      auditEventsDeleted: 0,
    });
  });

  it("GarbageCollect deletes a key past its retention with the last session that refers to it (C02)", async () => {
    const tenantId = newTenant();
    const { id, created } = await openSession(app.client, { actor: newActor({ tenantId }) });
    await app.client.rotateSigningKey({ tenantId, actingActorId: "admin-7" });
    await app.sql(
      "UPDATE signing_keys SET retired_at = retired_at - interval '14 hours' WHERE id = $1",
      [created.session?.signingKeyId],
    );

    expect((await app.client.garbageCollect({})).signingKeysDeleted).to.equal(0);
    await age(app, id, 30 * DAY);
    expect(await app.client.garbageCollect({})).to.include({
      sessionsDeleted: 1,
      signingKeysDeleted: 1,
    });
    expect((await app.client.listSigningKeys({ tenantId })).signingKeys).to.have.lengthOf(1);
  });

  it("a window of zero deletes an ended session at its absolute deadline (C02)", async () => {
    const replica = await startReplica(app.database.url, {
      env: { SESSIOND_HISTORY_WINDOW: "0s" },
    });
    try {
      const [gone, kept] = await Promise.all([openSession(app.client), openSession(app.client)]);
      await age(app, gone.id, 12 * HOUR);
      await age(app, kept.id, 11 * HOUR);

      await replica.client.garbageCollect({});

      await expectFailure(app.client.get({ session: byId(gone.id) }), "SESSION_NOT_FOUND");
      await app.client.get({ session: byId(kept.id) });
    } finally {
      await replica.stop();
    }
  });
});
