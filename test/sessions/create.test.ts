import { createHash, createHmac } from "node:crypto";
import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";
import { forgeCookie, signingSecret } from "../support/signing-keys.ts";

describe("Create", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  it("stores a row and returns the cookie and the plain CSRF token (A01)", async () => {
    const actor = newActor();
    const { id, cookie, csrfToken, created } = await openSession(app.client, {
      actor,
      appType: "control_panel",
      metadata: { plan: "gold" },
      ipAddress: "192.0.2.7",
      userAgent: "Browser/1.0",
    });

    expect(created.session).to.deep.include({
      ...actor,
      id,
      appType: "control_panel",
      state: SessionState.ACTIVE,
      preLogin: false,
      metadata: { plan: "gold" },
      ipAddress: "192.0.2.7",
      userAgent: "Browser/1.0",
    });
    expect(id).to.match(/^ses-[0-9a-f]{44}$/);
    expect(csrfToken).to.match(/^[\w-]{43}$/);
    expect(created.replacedSessionId).to.equal("");
    const row = await sessionRow(app, id);
    const hash = createHash("sha256").update(csrfToken).digest("hex");
    expect(row?.csrf_token_hash.toString("hex")).to.equal(hash);
    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
  });

  it("signs the cookie with the tenant's active key, as documented (A01)", async () => {
    const { id, cookie, created } = await openSession(app.client);
    const [active] = await app.sql<{ id: string }>(
      "SELECT id FROM signing_keys WHERE tenant_id = 'default' AND retired_at IS NULL",
    );
    const keyId = active?.id as string;

    expect(created.session?.signingKeyId).to.equal(keyId);
    expect(cookie).to.equal(forgeCookie(id, keyId, await signingSecret(app.sql, keyId)));
  });

  it("is audited once, with the session's actor as the acting one (A01, fault 5)", async () => {
    const { id, actor } = await openSession(app.client);
    expect(await auditOf(app.sql, id)).to.deep.equal([
      {
        category: "auth",
        action: "auth.session_created",
        acting_actor_id: actor.actorId,
        calling_service: "",
        tenant_id: "default",
        resource_type: "session",
        resource_id: id,
        details: { actor_type: "user", pre_login: "false" },
      },
    ]);
  });

  it("refuses an actor id or type that is missing or blank, and stores nothing (A01)", async () => {
    const before = await app.sql("SELECT count(*) FROM sessions");
    await expectFailure(app.client.create({}), "INVALID_REQUEST", { field: "actor" });
    for (const blank of ["", " ", "\t", "\u00a0\u2003"]) {
      for (const [part, field] of [
        ["actorId", "actor.actor_id"],
        ["actorType", "actor.actor_type"],
      ] as const) {
        const actor = { ...newActor(), [part]: blank };
        await expectFailure(app.client.create({ actor }), "INVALID_REQUEST", { field });
      }
    }
    expect(await app.sql("SELECT count(*) FROM sessions")).to.deep.equal(before);
  });

  it("takes actor, tenant, app type, address, user agent and metadata (B02)", async () => {
    for (const appType of ["control_panel", "tenant_app"]) {
      const actor = newActor({ tenantId: newTenant() });
      const { cookie } = await openSession(app.client, {
        actor,
        appType,
        ipAddress: "::ffff:192.0.2.7",
        userAgent: "Browser/1",
        metadata: { theme: "dark" },
      });

      const { session } = await validate(app.client, cookie);

      expect(session).to.include({
        ...actor,
        appType,
        ipAddress: "192.0.2.7",
        userAgent: "Browser/1",
      });
      expect(session?.metadata).to.deep.equal({ theme: "dark" });
    }
  });

  it("requires neither tenant, address, user agent nor app type (B02)", async () => {
    const { actorId, actorType } = newActor();
    const { session } = await app.client.create({ actor: { actorId, actorType } });

    expect(session).to.include({ tenantId: "default", ipAddress: "", userAgent: "", appType: "" });
  });

  it("makes credentials of 256 bits that no two sessions share (B01)", async () => {
    const actor = newActor();
    const sessions = await Promise.all(
      Array.from({ length: 200 }, () => openSession(app.client, { actor })),
    );
    const decoded = (text = "") => Buffer.from(text, "base64url");

    for (const { cookie, csrfToken } of sessions) {
      expect(decoded(cookie.split(".")[3])).to.have.length(32);
      expect(decoded(csrfToken)).to.have.length(32);
    }
    expect(new Set(sessions.map(({ cookie }) => cookie.split(".")[3])).size).to.equal(200);
    expect(new Set(sessions.map(({ csrfToken }) => csrfToken)).size).to.equal(200);
    // Of the id, the first 12 digits are the time; the rest is random.
    expect(new Set(sessions.map(({ id }) => id.slice(16))).size).to.equal(200);
  });

  it("stores nothing from which a reader of the database can make a credential (B01)", async () => {
    const { id, cookie, csrfToken } = await openSession(app.client);
    const [row] = await app.sql("SELECT * FROM sessions WHERE id = $1", [id]);
    const [key] = await app.sql("SELECT * FROM signing_keys WHERE id = $1", [row?.signing_key_id]);
    const input = `48:${id}:35:${key?.id}`;
    const stolen: Buffer[] = [key?.encrypted_key, row?.csrf_token_hash];
    const candidates = stolen.flatMap((bytes) => [
      bytes,
      // Nonce and tag cut off: what the key would be if it were not encrypted.
      bytes.subarray(12, -16),
      createHash("sha256").update(bytes).digest(),
    ]);

    for (const candidate of candidates) {
      const mac = createHmac("sha256", candidate).update(input).digest("base64url");
      await expectFailure(validate(app.client, `v1.${id}.${key?.id}.${mac}`), "INVALID_COOKIE");
      await expectFailure(
        app.client.validateCsrf({
          session: { ref: { case: "sessionId", value: id } },
          csrfToken: candidate.toString("base64url"),
        }),
        "CSRF_MISMATCH",
      );
    }
    // The control: with the cookie itself, and nothing else changed, it is accepted.
    await app.client.validate({ credential: { case: "cookie", value: cookie }, csrfToken });
  });

  it("stores neither the cookie's MAC nor the CSRF token, in any encoding (D01)", async () => {
    const { id, cookie, csrfToken } = await openSession(app.client);
    const [row] = await app.sql<{ text: string }>(
      `SELECT to_jsonb(sessions)::text || (SELECT jsonb_agg(audit_events) FROM audit_events
         WHERE resource_id = $1)::text AS text FROM sessions WHERE id = $1`,
      [id],
    );
    expect(row?.text, "the search looks at the rows").to.include(id);

    for (const secret of [cookie.split(".")[3] ?? cookie, csrfToken]) {
      const bytes = Buffer.from(secret, "base64url");
      for (const spelling of [secret, bytes.toString("hex"), bytes.toString("base64")]) {
        expect(row?.text).not.to.include(spelling);
      }
    }
    const hash = createHash("sha256").update(csrfToken).digest("hex");
    expect(row?.text, "of the CSRF token, the SHA-256").to.include(hash);
  });
});
