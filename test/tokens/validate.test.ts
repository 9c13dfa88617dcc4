import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { byCookie, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import {
  AUDIENCE,
  ISSUER,
  publishedKids,
  TOKENS_ENV,
  tokenFor,
  validateForToken,
  verify,
} from "../support/tokens.ts";

describe("tokens of Validate", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({ env: { ...TOKENS_ENV, SESSIOND_BIND_USER_AGENT: "true" } });
  });
  after(() => app?.stop());

  it("say whose session it is, how its user authenticated, for whom and until when (H01, H05)", async () => {
    const authenticatedAt = { seconds: 1_700_000_000n, nanos: 999_000_000 };
    const { id, actor, cookie } = await openSession(app.client, {
      authLevel: 2,
      authMethods: ["pwd", "otp"],
      authenticatedAt: authenticatedAt as never,
      metadata: { secret: "canary" },
      ipAddress: "192.0.2.1",
      userAgent: "agent",
    });
    const { token, tokenExpiresAt } = await validateForToken(app.client, cookie);
    const { payload, protectedHeader } = await verify(token, app.url);
    const [kid] = await publishedKids(app.url);
    expect(protectedHeader).to.deep.equal({ alg: "ES256", kid, typ: "sessiond+jwt" });
    expect(kid).to.match(/^tk-[0-9a-f]{32}$/);
    const { iat, exp } = payload;
    expect(payload).to.deep.equal({
      iss: ISSUER,
      aud: AUDIENCE,
      iat,
      exp,
      sub: actor.actorId,
      sid: id,
      tenant_id: "default",
      actor_type: "user",
      auth_level: 2,
      amr: ["pwd", "otp"],
      auth_time: 1_700_000_000,
    });
    expect(exp)
      .to.equal(Number(tokenExpiresAt?.seconds))
      .and.equal((iat ?? 0) + 60);
    expect(tokenExpiresAt?.nanos).to.equal(0);
  });

  it("are issued on request only, and not for a pre-login session (H01)", async () => {
    const { cookie } = await openSession(app.client);
    const without = await validateForToken(app.client, cookie, { tokenAudience: "" });
    expect([without.token, without.tokenExpiresAt]).to.deep.equal(["", undefined]);
    const preLogin = await app.client.create({ preLogin: true });
    const accepted = await validateForToken(app.client, preLogin.cookie, { acceptPreLogin: true });
    expect([accepted.token, accepted.tokenExpiresAt]).to.deep.equal(["", undefined]);
    expect(accepted.session?.preLogin).to.equal(true);
  });

  it("are for audiences that are configured (H01)", async () => {
    const { cookie } = await openSession(app.client);
    const billing = await tokenFor(app.client, cookie, { tokenAudience: "billing" });
    expect((await verify(billing, app.url, "billing")).payload.aud).to.equal("billing");
    for (const tokenAudience of ["Orders", "orders,billing", " orders", "x"]) {
      const call = validateForToken(app.client, cookie, { tokenAudience });
      const error = await expectFailure(call, "INVALID_REQUEST", { field: "token_audience" });
      expect(error.rawMessage).to.equal("token_audience must be one of SESSIOND_TOKEN_AUDIENCES");
    }
  });

  it("are not issued where anything else is refused, even if there was one before (H01)", async () => {
    const { id, cookie } = await openSession(app.client, { userAgent: "one" });
    await tokenFor(app.client, cookie);
    const refuse = (options: Parameters<typeof validateForToken>[2]) =>
      validateForToken(app.client, cookie, options);
    await expectFailure(refuse({ userAgent: "another" }), "USER_AGENT_MISMATCH");
    await expectFailure(refuse({ csrfToken: "wrong" }), "CSRF_MISMATCH");
    await expectFailure(refuse({ minAuthLevel: 1 }), "STEP_UP_REQUIRED");
    await expectFailure(refuse({ actorType: "service" }), "ACTOR_TYPE_NOT_ACCEPTED");
    await idle(app, id, 1800);
    await expectFailure(refuse({}), "EXPIRED_IDLE");
    await idle(app, id, 0);
    await tokenFor(app.client, cookie);
    await app.client.revoke({ session: byCookie(cookie) });
    await expectFailure(refuse({}), "REVOKED");
  });

  it("come with a touch, and then with the deadlines that it has moved (H01, H04)", async () => {
    const { id, cookie } = await openSession(app.client);
    // Ten seconds before its idle deadline.
    await idle(app, id, 1790);
    const before = decodeJwt(await tokenFor(app.client, cookie));
    expect((before.exp ?? 0) - (before.iat ?? 0)).to.be.within(1, 10);
    const { token, touched } = await validateForToken(app.client, cookie, { touch: true });
    expect(touched).to.equal(true);
    const { exp = 0, iat = 0 } = decodeJwt(token);
    expect(exp - iat).to.equal(60);
  });

  it("are those of the session that has replaced a rotated one (H05)", async () => {
    const { id, cookie } = await openSession(app.client);
    const old = await tokenFor(app.client, cookie);
    const grace = { seconds: 30n, nanos: 0 };
    const rotated = await app.client.rotateSession({
      session: byCookie(cookie),
      grace,
      authLevel: 3,
    });
    const token = await tokenFor(app.client, cookie);
    expect(decodeJwt(old).sid).to.equal(id);
    expect(decodeJwt(token)).to.include({ sid: rotated.session?.id, auth_level: 3 });
    expect(await tokenFor(app.client, rotated.cookie)).to.equal(token);
  });

  it("are handed out again to the same session for the same audience only", async () => {
    const { cookie } = await openSession(app.client);
    const first = await tokenFor(app.client, cookie);
    expect(await tokenFor(app.client, cookie)).to.equal(first);
    const other = await openSession(app.client);
    const tokens = new Set([
      first,
      await tokenFor(app.client, other.cookie),
      await tokenFor(app.client, cookie, { tokenAudience: "billing" }),
    ]);
    expect(tokens.size).to.equal(3);
  });

  it("come over Connect with JSON, too", async () => {
    const options = { baseUrl: app.url, httpVersion: "1.1", useBinaryFormat: false } as const;
    const client = createClient(SessionService, createConnectTransport(options));
    const { cookie } = await openSession(app.client);
    const { token, tokenExpiresAt } = await validateForToken(client, cookie);
    const { exp } = (await verify(token, app.url)).payload;
    expect(Number(tokenExpiresAt?.seconds)).to.equal(exp);
    expect(decodeProtectedHeader(token).alg).to.equal("ES256");
  });

  it("have texts of any characters as they are", async () => {
    const actor = { tenantId: "tenant/ü", actorType: "user", actorId: '😀 "x" \\ é' };
    const { cookie } = await openSession(app.client, { actor });
    const { payload } = await verify(await tokenFor(app.client, cookie), app.url);
    expect(payload).to.include({ sub: actor.actorId, tenant_id: actor.tenantId });
    expect(payload).not.to.have.property("amr");
  });
});
