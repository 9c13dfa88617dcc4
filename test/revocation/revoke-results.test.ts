import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";

describe("B, C and D: revocation", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  for (const reason of ["logout", "admin_revoke", "password_change"]) {
    it(`B06: a session is revoked with the reason ${reason}, by whoever did it`, async () => {
      const { id, actor, cookie } = await openSession(app.client);

      const answer = await app.client.revoke({
        session: byId(id),
        reason,
        actingActorId: "admin-7",
      });

      expect(answer.revoked).to.equal(true);
      const { session } = await app.client.get({ session: byId(id) });
      expect(session).to.include({
        ...actor,
        state: SessionState.REVOKED,
        revokeReason: reason,
        endReason: reason,
        revokedBy: "admin-7",
      });
      expect(session?.endedAt).to.deep.equal(session?.revokedAt);
      await expectFailure(validate(app.client, cookie), "REVOKED");
      const audit = (await auditOf(app.sql, id)).filter((row) => row.details.reason === reason);
      expect(audit).to.have.lengthOf(1);
      expect(audit[0]).to.include({
        action: "auth.session_revoked",
        acting_actor_id: "admin-7",
        tenant_id: "default",
        resource_type: "session",
      });
    });
  }

  it("B06: with a cookie, the reason is logout and the actor is the session's own", async () => {
    const { actor, cookie } = await openSession(app.client);

    const { session } = await app.client.revoke({ session: byCookie(cookie) });

    expect(session).to.include({ revokeReason: "logout", revokedBy: actor.actorId });
  });

  it("B07, C04: all sessions of a user end with a reason, and are counted", async () => {
    const actor = newActor();
    const sessions = await Promise.all([1, 2, 3].map(() => openSession(app.client, { actor })));
    const ended = await openSession(app.client, { actor });
    await idle(app, ended.id, 3600);

    const request = { actor, reason: "password_change", actingActorId: actor.actorId };
    expect((await app.client.revokeAllForActor(request)).revokedCount).to.equal(3);

    for (const { id, cookie } of sessions) {
      await expectFailure(validate(app.client, cookie), "REVOKED");
      const { session } = await app.client.get({ session: byId(id) });
      expect(session?.endReason).to.equal("password_change");
    }
    const { session } = await app.client.get({ session: byId(ended.id) });
    expect(session?.endReason).to.equal("idle_timeout");
    expect((await app.client.revokeAllForActor(request)).revokedCount, "again").to.equal(0);
  });

  it("B07: other users of the same name, by type or by tenant, stay logged in", async () => {
    const actor = newActor();
    const others = [{ actorType: "service_account" }, { tenantId: newTenant() }, newActor()];
    const spared = await Promise.all(
      others.map((other) => openSession(app.client, { actor: { ...actor, ...other } })),
    );
    await openSession(app.client, { actor });

    const { revokedCount } = await app.client.revokeAllForActor({
      actor,
      reason: "admin_revoke",
      actingActorId: "admin-7",
    });

    expect(revokedCount).to.equal(1);
    for (const { cookie } of spared) await validate(app.client, cookie);
  });

  it("C04: Revoke says whether it was the call that ended the session", async () => {
    const { id } = await openSession(app.client);
    const revoke = () =>
      app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "a" });

    expect((await revoke()).revoked).to.equal(true);
    expect((await revoke()).revoked).to.equal(false);
  });

  it("D04: revoking never deletes, and the first time, reason and actor stay", async () => {
    const { id, cookie } = await openSession(app.client);
    const rows = () => app.sql("SELECT * FROM sessions WHERE id = $1", [id]);
    await app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "first" });
    const first = await rows();
    expect(first).to.have.lengthOf(1);

    await app.client.revoke({ session: byId(id), reason: "admin_revoke", actingActorId: "second" });
    await app.client.revoke({ session: byCookie(cookie), reason: "password_change" });
    const { actorId, actorType, tenantId } = (await app.client.get({ session: byId(id) }))
      .session as never as Record<"actorId" | "actorType" | "tenantId", string>;
    await app.client.revokeAllForActor({
      actor: { actorId, actorType, tenantId },
      reason: "admin_revoke",
      actingActorId: "third",
    });

    expect(await rows()).to.deep.equal(first);
    const revocations = (await auditOf(app.sql, id)).filter(
      (row) => row.action === "auth.session_revoked",
    );
    expect(revocations.map((row) => row.acting_actor_id)).to.deep.equal(["first"]);
  });

  it("D04: a revoked session stays REVOKED past its deadlines, with its first end", async () => {
    const { id, cookie } = await openSession(app.client);
    await app.client.revoke({ session: byCookie(cookie) });
    const { revokedAt } = (await app.client.get({ session: byId(id) })).session ?? {};
    // Longer ago than either timeout, with the revocation before both deadlines.
    await app.sql(
      `UPDATE sessions SET created_at = created_at - interval '1 day',
         last_seen_at = last_seen_at - interval '1 day',
         absolute_expires_at = absolute_expires_at - interval '1 day',
         revoked_at = revoked_at - interval '1 day'
       WHERE id = $1`,
      [id],
    );

    const { session } = await app.client.get({ session: byId(id) });

    expect(session?.state).to.equal(SessionState.REVOKED);
    expect(session?.endReason).to.equal("logout");
    expect(timestampMs(session?.endedAt as never)).to.equal(
      timestampMs(revokedAt as never) - 24 * 3600 * 1000,
    );
    await expectFailure(validate(app.client, cookie), "REVOKED");
  });

  it("D04: revoking past the absolute deadline makes no revocation of an expiry", async () => {
    const { id, cookie } = await openSession(app.client);
    await setAbsolute(app, id, 0);

    expect((await app.client.revoke({ session: byCookie(cookie) })).revoked).to.equal(false);
    await expectFailure(validate(app.client, cookie), "EXPIRED_ABSOLUTE");
  });
});
