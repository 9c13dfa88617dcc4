import { createHash, createHmac } from "node:crypto";
import { expect } from "chai";
import { newActor, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";

describe("B and D: what Create takes, gives and stores", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  it("B01: the credential is 256 bits that no two sessions share", async () => {
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

  it("B01: whoever has read the whole database still cannot present a cookie", async () => {
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

  it("D01: neither the cookie's MAC nor the CSRF token is in the rows, however spelt", async () => {
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

  for (const appType of ["control_panel", "tenant_app"]) {
    it(`B02: Create takes user, tenant, address, user agent, app type ${appType}`, async () => {
      const actor = newActor({ tenantId: `tenant-of-${appType}` });
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
    });
  }

  it("B02: tenant, address, user agent and app type are optional", async () => {
    const { actorId, actorType } = newActor();
    const { session } = await app.client.create({ actor: { actorId, actorType } });

    expect(session).to.include({ tenantId: "default", ipAddress: "", userAgent: "", appType: "" });
  });

  for (const { name, userAgent, stored } of [
    { name: "at the limit whole", userAgent: "x".repeat(512), stored: "x".repeat(512) },
    { name: "beyond it cut", userAgent: "x".repeat(513), stored: "x".repeat(512) },
    {
      name: "between characters",
      userAgent: `x${"🦊".repeat(600)}`,
      stored: `x${"🦊".repeat(511)}`,
    },
  ]) {
    it(`B02: a user agent is stored ${name}`, async () => {
      const { cookie } = await openSession(app.client, { userAgent });
      expect((await validate(app.client, cookie)).session?.userAgent).to.equal(stored);
    });
  }
});
