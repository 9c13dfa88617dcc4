import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, newTenant, openSession, validate } from "../support/actors.ts";
import type { Replica, TestApp } from "../support/app.ts";
import { auditedBy, auditOf } from "../support/audit-rows.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";

describe("Revoke", () => {
  let replicas: TwoReplicas;
  let app: TestApp;
  let other: Replica;
  before(async () => {
    replicas = await startTwoReplicas();
    ({ app, other } = replicas);
  });
  after(() => replicas.stop());

  for (const reason of ["logout", "admin_revoke", "password_change"]) {
    it(`ends a session at once on all replicas, audited, with the reason ${reason} (A21, B06)`, async () => {
      const { id, actor, cookie } = await openSession(app.client);
      await validate(other.client, cookie);

      const audit = await auditedBy(app.sql, async () => {
        const request = { session: byId(id), reason, actingActorId: "admin-7" };
        const { session, revoked } = await app.client.revoke(request);

        await expectFailure(validate(other.client, cookie), "REVOKED");
        expect(revoked).to.equal(true);
        expect(session).to.include({
          ...actor,
          id,
          state: SessionState.REVOKED,
          revokeReason: reason,
          revokedBy: "admin-7",
          endReason: reason,
        });
        expect(session?.endedAt).to.deep.equal(session?.revokedAt);
        expect((await app.client.get({ session: byId(id) })).session).to.deep.equal(session);
      });

      const changes = audit.filter(({ action }) => action !== "auth.session_refused");
      expect(changes).to.deep.equal([
        {
          category: "auth",
          action: "auth.session_revoked",
          acting_actor_id: "admin-7",
          calling_service: "",
          tenant_id: "default",
          resource_type: "session",
          resource_id: id,
          details: { reason },
        },
      ]);
    });
  }

  it("keeps the row and its first end when repeated, and says so (A21, C04, D04, fault 7)", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    const session = byId(id);
    const first = { session, reason: "logout", actingActorId: "first" };
    expect((await app.client.revoke(first)).revoked).to.equal(true);
    const before = await sessionRow(app, id);
    expect(before).to.include({ revoke_reason: "logout", revoked_by: "first" });

    const audit = await auditedBy(app.sql, async () => {
      const byAnother = { session, reason: "admin_revoke", actingActorId: "second" };
      for (const again of [first, byAnother, { session: byCookie(cookie), reason: "ban" }]) {
        const answer = await app.client.revoke(again);
        expect(answer.revoked).to.equal(false);
        expect(answer.session).to.include({ revokeReason: "logout", revokedBy: "first" });
      }
    });
    const all = { actor, reason: "admin_revoke", actingActorId: "third" };
    expect((await app.client.revokeAllForActor(all)).revokedCount).to.equal(0);

    expect(audit).to.be.empty;
    expect(await sessionRow(app, id)).to.deep.equal(before);
    const revocations = (await auditOf(app.sql, id)).slice(1);
    expect(revocations.map((row) => row.acting_actor_id)).to.deep.equal(["first"]);
  });

  it("ends the session by one of many calls at once, and audits that one (A21)", async () => {
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

  it("is a logout by the session's actor where a cookie names it, unless told otherwise (A21, B06)", async () => {
    const own = await openSession(app.client);
    const named = await openSession(app.client);
    const audit = await auditedBy(app.sql, async () => {
      const { session } = await app.client.revoke({ session: byCookie(own.cookie) });
      expect(session).to.include({ revokeReason: "logout", revokedBy: own.actor.actorId });
      await app.client.revoke({ session: byCookie(named.cookie), actingActorId: "impersonator" });
    });
    expect(audit.map((row) => [row.acting_actor_id, row.details.reason])).to.deep.equal([
      [own.actor.actorId, "logout"],
      ["impersonator", "logout"],
    ]);
  });

  it("requires a reason and who acts where an id names the session (A21)", async () => {
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

  it("ends no session by an unknown id, another tenant's or a forged cookie (A21)", async () => {
    const { id, cookie } = await openSession(app.client);
    const why = { reason: "logout", actingActorId: "admin-1" };
    const audit = await auditedBy(app.sql, async () => {
      await expectFailure(
        app.client.revoke({ session: byId(`ses-${"0".repeat(44)}`), ...why }),
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
});
