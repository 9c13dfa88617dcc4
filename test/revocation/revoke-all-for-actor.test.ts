import { expect } from "chai";
import { byCookie, byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditedBy } from "../support/audit-rows.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

const unknownId = `ses-${"0".repeat(44)}`;

describe("RevokeAllForActor", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  const revokeAll = (actor: ReturnType<typeof newActor>, keep?: ReturnType<typeof byId>) =>
    app.client.revokeAllForActor({
      actor,
      reason: "admin_revoke",
      actingActorId: "admin-1",
      ...(keep && { keep }),
    });

  it("ends the sessions of (tenant, actor type, actor) and no others (A22, B07)", async () => {
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

  it("ends the actor's pre-login sessions as well (A22)", async () => {
    const actor = newActor();
    const { cookie } = await openSession(app.client, { actor, preLogin: true });
    expect((await revokeAll(actor)).revokedCount).to.equal(1);
    const credential = { case: "cookie", value: cookie } as const;
    const call = app.client.validate({ credential, acceptPreLogin: true });
    await expectFailure(call, "REVOKED");
  });

  it("audits each session and the call, with who acted (A22)", async () => {
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

  it("succeeds where there is no session, and when repeated (A22)", async () => {
    const actor = newActor();
    expect((await revokeAll(actor)).revokedCount).to.equal(0);
    await openSession(app.client, { actor });
    expect((await revokeAll(actor)).revokedCount).to.equal(1);
    expect((await revokeAll(actor)).revokedCount).to.equal(0);
  });

  it("counts the sessions that it ends, and keeps the end of others (A22, B07, C04)", async () => {
    const actor = newActor();
    const live = await Promise.all([1, 2, 3].map(() => openSession(app.client, { actor })));
    const expired = await openSession(app.client, { actor });
    await idle(app, expired.id, 31 * 60);
    const before = await sessionRow(app, expired.id);

    expect((await revokeAll(actor)).revokedCount).to.equal(3);

    for (const { id, cookie } of live) {
      await expectFailure(validate(app.client, cookie), "REVOKED");
      const { session } = await app.client.get({ session: byId(id) });
      expect(session?.endReason).to.equal("admin_revoke");
    }
    expect(await sessionRow(app, expired.id)).to.deep.equal(before);
    const { session } = await app.client.get({ session: byId(expired.id) });
    expect(session?.endReason).to.equal("idle_timeout");
  });

  for (const [how, keepOf] of [
    ["cookie", ({ cookie }: { cookie: string }) => byCookie(cookie)],
    ["id", ({ id }: { id: string }) => byId(id)],
  ] as const) {
    it(`keeps one session that is named by its ${how} (A22)`, async () => {
      const actor = newActor();
      const kept = await openSession(app.client, { actor });
      const other = await openSession(app.client, { actor });
      const { revokedCount } = await revokeAll(actor, keepOf(kept));
      expect(revokedCount).to.equal(1);
      await validate(app.client, kept.cookie);
      await expectFailure(validate(app.client, other.cookie), "REVOKED");
    });
  }

  it("ends no session where the one to keep is not the actor's or not found (A22)", async () => {
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
