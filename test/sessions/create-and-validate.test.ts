import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { CreateRequestSchema } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { age, idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";
import { forgeCookie, signingSecret } from "../support/signing-keys.ts";

describe("behaviours: Create and Validate", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({
      env: { SESSIOND_BIND_IP: "true", SESSIOND_BIND_USER_AGENT: "true" },
    });
  });
  after(() => app.stop());

  const sessionsOf = (actorId: string) =>
    app.sql("SELECT id FROM sessions WHERE actor_id = $1", [actorId]);

  it("A01: Create stores a row and returns its cookie and the plain CSRF token", async () => {
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

  it("A01: the cookie is signed with the tenant's active key, as documented", async () => {
    const { id, cookie, created } = await openSession(app.client);
    const [active] = await app.sql<{ id: string }>(
      "SELECT id FROM signing_keys WHERE tenant_id = 'default' AND retired_at IS NULL",
    );
    const keyId = active?.id as string;

    expect(created.session?.signingKeyId).to.equal(keyId);
    expect(cookie).to.equal(forgeCookie(id, keyId, await signingSecret(app.sql, keyId)));
  });

  it("A01: Create is audited once, with the actor as who acted", async () => {
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

  for (const [shown, blank] of Object.entries({
    "the empty text": "",
    "a space": " ",
    "a tab": "\t",
    "spaces beyond ASCII": "\u00a0\u2003",
  })) {
    it(`A01: ${shown} is no actor id`, async () => {
      const call = app.client.create({ actor: { ...newActor(), actorId: blank } });
      await expectFailure(call, "INVALID_REQUEST", { field: "actor.actor_id" });
    });

    it(`A01: ${shown} is no actor type, and nothing is stored`, async () => {
      const actor = { ...newActor(), actorType: blank };
      await expectFailure(app.client.create({ actor }), "INVALID_REQUEST", {
        field: "actor.actor_type",
      });
      expect(await sessionsOf(actor.actorId)).to.be.empty;
    });
  }

  it("A01: a Create without an actor is refused", async () => {
    const call = app.client.create(create(CreateRequestSchema));
    await expectFailure(call, "INVALID_REQUEST", { field: "actor" });
  });

  it("A02: Validate reads and does not write", async () => {
    const { id, cookie, csrfToken } = await openSession(app.client, { ipAddress: "192.0.2.7" });
    await idle(app, id, 60);
    const before = await sessionRow(app, id);
    const credential = { case: "cookie", value: cookie } as const;

    const { touched } = await app.client.validate({ credential });
    await app.client.validate({ credential, csrfToken, ipAddress: "192.0.2.7" });
    await expectFailure(app.client.validate({ credential, csrfToken: "wrong" }), "CSRF_MISMATCH");

    expect(touched).to.equal(false);
    expect(await sessionRow(app, id)).to.deep.equal(before);
    // The control: the same call, asked to touch, does write.
    expect((await app.client.validate({ credential, touch: true })).touched).to.equal(true);
    expect(await sessionRow(app, id)).to.not.deep.equal(before);
  });

  /**
   * The session has every fault at once; each step mends the one that was reported, so that any
   * other order of checks would report another reason somewhere on the way.
   */
  it("A02: checks come in the documented order", async () => {
    const tenantId = newTenant();
    const { id, cookie, csrfToken, created } = await openSession(app.client, {
      actor: newActor({ tenantId }),
      preLogin: true,
      ipAddress: "192.0.2.7",
      userAgent: "Browser/1.0",
    });
    const keyId = created.session?.signingKeyId as string;
    await app.client.revoke({
      session: byId(id),
      reason: "logout",
      actingActorId: "admin",
    });
    await age(app, id, 24 * 3600);
    await app.sql("UPDATE signing_keys SET retired_at = now() - interval '1 year' WHERE id = $1", [
      keyId,
    ]);
    const request = {
      acceptPreLogin: false,
      ipAddress: "192.0.2.8",
      userAgent: "Browser/2.0",
      csrfToken: " ",
    };
    const send = (value: string) =>
      app.client.validate({ ...request, credential: { case: "cookie", value } });

    const ofUnknownKey = cookie.replace(keyId, `sk-${"0".repeat(32)}`);
    await expectFailure(send(ofUnknownKey.replace("v1", "v2")), "INVALID_COOKIE");
    await expectFailure(send(ofUnknownKey), "SIGNING_KEY_NOT_FOUND");
    await expectFailure(send(forgeCookie(id, keyId, Buffer.alloc(32))), "INVALID_COOKIE");
    await expectFailure(send(cookie), "SIGNING_KEY_RETIRED");
    await app.sql("UPDATE signing_keys SET retired_at = NULL WHERE id = $1", [keyId]);
    await expectFailure(send(cookie), "REVOKED");
    await app.sql("UPDATE sessions SET revoked_at = NULL WHERE id = $1", [id]);
    await expectFailure(send(cookie), "EXPIRED_ABSOLUTE");
    await setAbsolute(app, id, 60);
    await expectFailure(send(cookie), "EXPIRED_IDLE");
    await idle(app, id, 0);
    await expectFailure(send(cookie), "PRE_LOGIN_NOT_ACCEPTED");
    request.acceptPreLogin = true;
    await expectFailure(send(cookie), "IP_MISMATCH");
    request.ipAddress = "192.0.2.7";
    await expectFailure(send(cookie), "USER_AGENT_MISMATCH");
    request.userAgent = "Browser/1.0";
    await expectFailure(send(cookie), "CSRF_MISSING");
    request.csrfToken = "wrong";
    await expectFailure(send(cookie), "CSRF_MISMATCH");
    request.csrfToken = csrfToken;
    expect((await send(cookie)).session?.id).to.equal(id);
  });

  it("A02: what is refused is not touched", async () => {
    const { id, cookie } = await openSession(app.client, { ipAddress: "192.0.2.7" });
    await idle(app, id, 60);
    const before = await sessionRow(app, id);
    const request = { credential: { case: "cookie", value: cookie }, touch: true } as const;

    await expectFailure(app.client.validate({ ...request, ipAddress: "192.0.2.8" }), "IP_MISMATCH");
    await expectFailure(app.client.validate({ ...request, csrfToken: "" }), "CSRF_MISSING");

    expect(await sessionRow(app, id)).to.deep.equal(before);
  });
});
