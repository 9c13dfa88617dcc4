import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { auditedBy, auditOf } from "../support/audit-rows.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

const unknownId = `ses-${"0".repeat(44)}`;

describe("behaviours: revocation", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  it("A21: Revoke ends the session at once, on other replicas too", async () => {
    const other = await startReplica(app.database.url);
    try {
      const { id, cookie } = await openSession(app.client);
      await validate(other.client, cookie);

      const { session, revoked } = await app.client.revoke({
        session: byId(id),
        reason: "admin_revoke",
        actingActorId: "admin-1",
      });

      await expectFailure(validate(other.client, cookie), "REVOKED");
      expect(revoked).to.equal(true);
      expect(session).to.include({
        id,
        state: SessionState.REVOKED,
        revokeReason: "admin_revoke",
        revokedBy: "admin-1",
        endReason: "admin_revoke",
      });
      expect(session?.endedAt).to.deep.equal(session?.revokedAt);
    } finally {
      await other.stop();
    }
  });

  it("A21: revoking again changes nothing, succeeds and is not audited", async () => {
    const { id, cookie } = await openSession(app.client);
    await app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "first" });
    const before = await sessionRow(app, id);

    const audit = await auditedBy(app.sql, async () => {
      const again = await app.client.revoke({
        session: byId(id),
        reason: "admin_revoke",
        actingActorId: "second",
      });
      expect(again.revoked).to.equal(false);
      expect(again.session).to.include({ revokeReason: "logout", revokedBy: "first" });
      expect((await app.client.revoke({ session: byCookie(cookie) })).revoked).to.equal(false);
    });

    expect(audit).to.be.empty;
    expect(await sessionRow(app, id)).to.deep.equal(before);
  });

  it("A21: of revocations at once, one ends the session and one is audited", async () => {
    const { id } = await openSession(app.client);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        app.client.revoke({ session: byId(id), reason: "logout", actingActorId: `admin-${index}` }),
      ),
    );
    const winners = answers.flatMap(({ revoked }, index) => (revoked ? [`admin-${index}`] : []));
    expect(winners).to.have.length(1);
    for (const { session } of answers) expect(session?.revokedBy).to.equal(winners[0]);
    const revocations = (await auditOf(app.sql, id)).slice(1);
    expect(revocations.map((row) => row.acting_actor_id)).to.deep.equal(winners);
  });

  it("A21: it is audited with who really acted", async () => {
    const { id } = await openSession(app.client);
    const audit = await auditedBy(app.sql, () =>
      app.client.revoke({ session: byId(id), reason: "password_change", actingActorId: "admin-1" }),
    );
    expect(audit).to.deep.equal([
      {
        category: "auth",
        action: "auth.session_revoked",
        acting_actor_id: "admin-1",
        calling_service: "",
        tenant_id: "default",
        resource_type: "session",
        resource_id: id,
        details: { reason: "password_change" },
      },
    ]);
  });

  it("A21: whose cookie it is acts, unless another is named, and logs out", async () => {
    const own = await openSession(app.client);
    const named = await openSession(app.client);
    const audit = await auditedBy(app.sql, async () => {
      await app.client.revoke({ session: byCookie(own.cookie) });
      await app.client.revoke({ session: byCookie(named.cookie), actingActorId: "impersonator" });
    });
    expect(audit.map((row) => [row.acting_actor_id, row.details.reason])).to.deep.equal([
      [own.actor.actorId, "logout"],
      ["impersonator", "logout"],
    ]);
  });

  it("A21: by id, the reason and who acts are required", async () => {
    const { id, cookie } = await openSession(app.client);
    const session = byId(id);
    await expectFailure(app.client.revoke({ session, actingActorId: "a" }), "INVALID_REQUEST", {
      field: "reason",
    });
    for (const actingActorId of ["", "  "]) {
      const call = app.client.revoke({ session, reason: "logout", actingActorId });
      await expectFailure(call, "INVALID_REQUEST", { field: "acting_actor_id" });
    }
    await validate(app.client, cookie);
  });

  it("A21: the answer clears the browser's cookies", async () => {
    const { cookie } = await openSession(app.client);
    const { setCookies } = await app.client.revoke({ session: byCookie(cookie) });
    expect(
      setCookies.map(({ name, value, maxAgeSeconds }) => [name, value, maxAgeSeconds]),
    ).to.deep.equal([
      ["__Host-session", "", 0],
      ["__Host-csrf", "", 0],
    ]);
  });

  it("A21: what names no session, or a forged one, ends none", async () => {
    const { id, cookie } = await openSession(app.client);
    const why = { reason: "logout", actingActorId: "admin-1" };
    const audit = await auditedBy(app.sql, async () => {
      await expectFailure(
        app.client.revoke({ session: byId(unknownId), ...why }),
        "SESSION_NOT_FOUND",
      );
      await expectFailure(
        app.client.revoke({ session: byId(id, newTenant()), ...why }),
        "SESSION_NOT_FOUND",
      );
      const forged = `${cookie.slice(0, -43)}${"A".repeat(43)}`;
      await expectFailure(app.client.revoke({ session: byCookie(forged) }), "INVALID_COOKIE");
    });
    expect(audit).to.be.empty;
    await validate(app.client, cookie);
  });

  it("A21: a revocation whose audit cannot be written does not happen", async () => {
    const { id, cookie } = await openSession(app.client);
    await app.sql("ALTER TABLE audit_events RENAME TO audit_events_away");
    await failureOf(app.client.revoke({ session: byCookie(cookie) }));
    await app.sql("ALTER TABLE audit_events_away RENAME TO audit_events");
    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
  });

  describe("RevokeAllForActor", () => {
    const revokeAll = (actor: ReturnType<typeof newActor>, keep?: ReturnType<typeof byId>) =>
      app.client.revokeAllForActor({
        actor,
        reason: "admin_revoke",
        actingActorId: "admin-1",
        ...(keep && { keep }),
      });

    it("A22: it ends the sessions of (tenant, actor type, actor) and no others", async () => {
      const tenantId = newTenant();
      const actor = newActor({ tenantId });
      const own = [
        await openSession(app.client, { actor }),
        await openSession(app.client, { actor }),
      ];
      const others = [
        await openSession(app.client, { actor: { ...actor, tenantId: newTenant() } }),
        await openSession(app.client, { actor: { ...actor, tenantId: "default" } }),
        await openSession(app.client, { actor: { ...actor, actorType: "service_account" } }),
        await openSession(app.client, { actor: { ...actor, actorId: `${actor.actorId}x` } }),
      ];

      expect((await revokeAll(actor)).revokedCount).to.equal(2);

      for (const { cookie } of own) await expectFailure(validate(app.client, cookie), "REVOKED");
      for (const { cookie } of others) await validate(app.client, cookie);
    });

    it("A22: its pre-login sessions end as well", async () => {
      const actor = newActor();
      const { cookie } = await openSession(app.client, { actor, preLogin: true });
      expect((await revokeAll(actor)).revokedCount).to.equal(1);
      const credential = { case: "cookie", value: cookie } as const;
      const call = app.client.validate({ credential, acceptPreLogin: true });
      await expectFailure(call, "REVOKED");
    });

    it("A22: each session and the call are audited, with who really acted", async () => {
      const tenantId = newTenant();
      const actor = newActor({ tenantId });
      const first = await openSession(app.client, { actor });
      const second = await openSession(app.client, { actor });
      const kept = await openSession(app.client, { actor });

      const audit = await auditedBy(app.sql, () => revokeAll(actor, byId(kept.id)));

      const common = {
        category: "auth",
        acting_actor_id: "admin-1",
        calling_service: "",
        tenant_id: tenantId,
      };
      expect(audit).to.have.deep.members([
        ...[first, second].map(({ id }) => ({
          ...common,
          action: "auth.session_revoked",
          resource_type: "session",
          resource_id: id,
          details: { reason: "admin_revoke" },
        })),
        {
          ...common,
          action: "auth.sessions_revoked_for_actor",
          resource_type: "actor",
          resource_id: actor.actorId,
          details: {
            actor_type: "user",
            reason: "admin_revoke",
            kept_session_id: kept.id,
            count: "2",
          },
        },
      ]);
    });

    it("A22: no session at all is a success, and so is a second call", async () => {
      const actor = newActor();
      expect((await revokeAll(actor)).revokedCount).to.equal(0);
      await openSession(app.client, { actor });
      expect((await revokeAll(actor)).revokedCount).to.equal(1);
      expect((await revokeAll(actor)).revokedCount).to.equal(0);
    });

    it("A22: ended sessions are not counted and keep their end", async () => {
      const actor = newActor();
      const expired = await openSession(app.client, { actor });
      await idle(app, expired.id, 31 * 60);
      const before = await sessionRow(app, expired.id);
      await openSession(app.client, { actor });
      expect((await revokeAll(actor)).revokedCount).to.equal(1);
      expect(await sessionRow(app, expired.id)).to.deep.equal(before);
    });

    for (const [how, keepOf] of [
      ["cookie", ({ cookie }: { cookie: string }) => byCookie(cookie)],
      ["id", ({ id }: { id: string }) => byId(id)],
    ] as const) {
      it(`A22: one session, named by its ${how}, is kept`, async () => {
        const actor = newActor();
        const kept = await openSession(app.client, { actor });
        const other = await openSession(app.client, { actor });
        const { revokedCount } = await revokeAll(actor, keepOf(kept));
        expect(revokedCount).to.equal(1);
        await validate(app.client, kept.cookie);
        await expectFailure(validate(app.client, other.cookie), "REVOKED");
      });
    }

    it("A22: what cannot be kept fails the call, and no session ends", async () => {
      const actor = newActor();
      const { id, cookie } = await openSession(app.client, { actor });
      const stranger = await openSession(app.client);
      const forged = byCookie(`${cookie.slice(0, -43)}${"A".repeat(43)}`);

      await expectFailure(revokeAll(actor, byId(stranger.id)), "INVALID_REQUEST", {
        field: "keep",
      });
      await expectFailure(revokeAll(actor, byId(unknownId)), "SESSION_NOT_FOUND");
      await expectFailure(revokeAll(actor, byId(id, newTenant())), "SESSION_NOT_FOUND");
      await expectFailure(revokeAll(actor, forged), "INVALID_COOKIE");

      await validate(app.client, cookie);
    });
  });
});
