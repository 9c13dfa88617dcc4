import { expect } from "chai";
import type { RotateSessionResponse } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import {
  byCookie,
  byId,
  newActor,
  newTenant,
  type OpenedSession,
  openSession,
} from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditedBy } from "../support/audit-rows.ts";
import { age, idle } from "../support/back-dating.ts";
import { everyCall } from "../support/every-call.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";

describe("audit of changes", () => {
  let app: TestApp;
  let tenantId: string;
  let opened: OpenedSession;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());
  beforeEach(async () => {
    tenantId = newTenant();
    opened = await openSession(app.client, { actor: newActor({ tenantId }) });
    // Long enough ago for a Touch to write.
    await idle(app, opened.id, 60);
  });

  type Expected = readonly [action: string, resource: string, actor: string];
  interface Change {
    readonly name: string;
    readonly make: () => Promise<unknown>;
    /** What the answer and the session before it say must be in the audit. */
    readonly audit: (answer: never) => readonly Expected[];
  }

  const own = () => opened.actor.actorId;
  const admin = { actingActorId: "admin-1" };
  const changes: readonly Change[] = [
    {
      name: "Create",
      make: () => openSession(app.client, { actor: opened.actor }),
      audit: ({ id }: OpenedSession) => [["auth.session_created", `session ${id}`, own()]],
    },
    {
      name: "Create that replaces",
      make: () =>
        openSession(app.client, { actor: opened.actor, replaces: byCookie(opened.cookie) }),
      audit: ({ id }: OpenedSession) => [
        ["auth.session_created", `session ${id}`, own()],
        ["auth.session_revoked", `session ${opened.id}`, own()],
      ],
    },
    {
      name: "the first Create of a tenant",
      make: () =>
        openSession(app.client, { actor: { ...opened.actor, tenantId: `${tenantId}-new` } }),
      audit: ({ id, created }: OpenedSession) => [
        ["auth.session_signing_key_bootstrap", `signing_key ${created.session?.signingKeyId}`, ""],
        ["auth.session_created", `session ${id}`, own()],
      ],
    },
    {
      name: "Revoke by cookie",
      make: () => app.client.revoke({ session: byCookie(opened.cookie) }),
      audit: () => [["auth.session_revoked", `session ${opened.id}`, own()]],
    },
    {
      name: "Revoke by id",
      make: () => app.client.revoke({ session: byId(opened.id), reason: "ban", ...admin }),
      audit: () => [["auth.session_revoked", `session ${opened.id}`, "admin-1"]],
    },
    {
      name: "RevokeAllForActor",
      make: () => app.client.revokeAllForActor({ actor: opened.actor, reason: "ban", ...admin }),
      audit: () => [
        ["auth.session_revoked", `session ${opened.id}`, "admin-1"],
        ["auth.sessions_revoked_for_actor", `actor ${own()}`, "admin-1"],
      ],
    },
    {
      name: "RotateCsrf of a session",
      make: () =>
        app.client.rotateCsrf({ target: { case: "session", value: byCookie(opened.cookie) } }),
      audit: () => [["auth.session_csrf_rotated", `session ${opened.id}`, own()]],
    },
    {
      name: "RotateCsrf of an actor",
      make: () =>
        app.client.rotateCsrf({ target: { case: "actor", value: opened.actor }, ...admin }),
      audit: () => [
        ["auth.session_csrf_rotated", `session ${opened.id}`, "admin-1"],
        ["auth.sessions_csrf_rotated_for_actor", `actor ${own()}`, "admin-1"],
      ],
    },
    {
      name: "RotateSession",
      make: () => app.client.rotateSession({ session: byCookie(opened.cookie) }),
      audit: ({ session }: RotateSessionResponse) => [
        ["auth.session_revoked", `session ${opened.id}`, own()],
        ["auth.session_rotated", `session ${session?.id}`, own()],
      ],
    },
    {
      name: "UpdateMetadata",
      make: () => app.client.updateMetadata({ session: byCookie(opened.cookie) }),
      audit: () => [["auth.session_metadata_updated", `session ${opened.id}`, own()]],
    },
    {
      name: "RotateSigningKey",
      make: () => app.client.rotateSigningKey({ tenantId, ...admin }),
      audit: ({ activeKey }: { activeKey: { id: string } }) => [
        ["auth.session_signing_key_rotated", `signing_key ${activeKey.id}`, "admin-1"],
      ],
    },
  ];

  for (const { name, make, audit } of changes) {
    it(`has one row for each change by ${name}, with who acted (ASVS 16.3)`, async () => {
      let answer: unknown;
      const rows = await auditedBy(app.sql, async () => {
        answer = await make();
      });
      const seen = rows.map((row) => [
        row.action,
        `${row.resource_type} ${row.resource_id}`,
        row.acting_actor_id,
      ]);
      expect(seen).to.have.deep.members([...audit(answer as never)]);
      for (const row of rows) {
        expect(row.category).to.equal("auth");
        expect(row.tenant_id).to.match(new RegExp(`^${tenantId}`));
      }
    });
  }

  it("is listed newest first, to its own tenant only (ASVS 16.3, ASVS 8.2.2)", async () => {
    await app.client.revoke({ session: byCookie(opened.cookie), reason: "logout" });
    const { auditEvents } = await app.client.listAuditEvents({ tenantId, resourceId: opened.id });
    expect(auditEvents.map(({ action }) => action)).to.deep.equal([
      "auth.session_revoked",
      "auth.session_created",
    ]);
    expect(auditEvents[0]).to.deep.include({
      category: "auth",
      actingActorId: own(),
      tenantId,
      resourceType: "session",
      resourceId: opened.id,
      details: { reason: "logout" },
    });

    const elsewhere = { tenantId: newTenant(), resourceId: opened.id };
    expect((await app.client.listAuditEvents(elsewhere)).auditEvents).to.deep.equal([]);
    const page = await app.client.listAuditEvents({ tenantId, pageSize: 1 });
    const foreign = { tenantId: elsewhere.tenantId, pageToken: page.nextPageToken };
    await expectFailure(app.client.listAuditEvents(foreign), "INVALID_REQUEST", {
      field: "page_token",
    });
  });

  for (const name of [
    "Validate",
    "ValidateCsrf",
    "Touch",
    "Get",
    "List",
    "ListSigningKeys",
    "ListAuditEvents",
  ]) {
    it(`has no row for a ${name} that succeeds (ASVS 16.3)`, async () => {
      const audit = await auditedBy(app.sql, async () => {
        await everyCall[name]?.(app.client, opened);
        await app.app.storage.denialAudit.flush();
      });
      expect(audit).to.be.empty;
    });
  }

  it("has no row for a change that is refused or was made before (ASVS 16.3)", async () => {
    await age(app, opened.id, 13 * 3600);
    const session = byCookie(opened.cookie);
    const audit = await auditedBy(app.sql, async () => {
      expect((await app.client.revoke({ session })).revoked).to.equal(false);
      await failureOf(app.client.create({ actor: { ...opened.actor, actorId: "" } }));
      await failureOf(app.client.rotateSigningKey({ tenantId }));
      await failureOf(app.client.revoke({ session: byId(opened.id) }));
      await failureOf(app.client.rotateCsrf({ target: { case: undefined } }));
    });
    expect(audit).to.be.empty;
  });
});
