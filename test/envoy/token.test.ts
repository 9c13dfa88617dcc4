import { expect } from "chai";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { AUDIENCE, ISSUER, TOKENS_ENV } from "../support/tokens.ts";
import { type CheckClient, checkClient, cookieHeader } from "./check-client.ts";

const env = { ...TOKENS_ENV, SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE: AUDIENCE };

describe("the token for upstreams", () => {
  const stack = new AsyncDisposableStack();
  let app: TestApp;
  let checks: CheckClient;

  before(async () => {
    app = await startTestApp({ env });
    stack.defer(() => app.stop());
    checks = checkClient(app.url);
    stack.defer(() => checks.close());
  });
  after(() => stack.disposeAsync());

  it("H01: is in its header, and says who asks", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    const { set } = await checks.check({ headers: { cookie: cookieHeader(cookie) } });
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", app.url));
    const options = { issuer: ISSUER, audience: AUDIENCE };
    const { payload } = await jwtVerify(String(set["x-session-token"]), keys, options);
    expect([payload.sid, payload.sub]).to.deep.equal([id, actor.actorId]);
  });

  it("G05: one that a client sends never arrives", async () => {
    const forged = { "x-session-token": "forged" };
    const anonymous = await checks.check({ headers: forged, route: { optional: "true" } });
    expect(anonymous.set).to.deep.equal({});
    expect(anonymous.removed).to.include("x-session-token");
    const { cookie } = await openSession(app.client);
    const known = await checks.check({ headers: { ...forged, cookie: cookieHeader(cookie) } });
    expect(known.set["x-session-token"]).to.be.a("string").and.not.equal("forged");
    expect(known.removed).to.deep.equal([]);
  });

  it("H01: may be a bearer token", async () => {
    const replica = await startReplica(app.database.url, {
      env: { ...env, SESSIOND_EXT_AUTHZ_TOKEN_HEADER: "authorization" },
    });
    const bearer = checkClient(replica.url);
    try {
      const { cookie } = await openSession(app.client);
      const { set } = await bearer.check({ headers: { cookie: cookieHeader(cookie) } });
      expect(set.authorization).to.match(/^Bearer ey/);
      expect(set).not.to.have.property("x-session-token");
    } finally {
      bearer.close();
      await replica.stop();
    }
  });
});
