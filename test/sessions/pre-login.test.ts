import { expect } from "chai";
import { byCookie, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { age, idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

const LIFE_SECONDS = 600;

describe("pre-login sessions", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  /** A session of a user who is not known yet. */
  async function openPreLogin() {
    const created = await app.client.create({ preLogin: true });
    const { cookie, csrfToken, session } = created;
    return { id: session?.id ?? "", cookie, csrfToken, created };
  }
  const accept = (cookie: string) =>
    app.client.validate({ credential: { case: "cookie", value: cookie }, acceptPreLogin: true });
  const inHeader = (header: string, acceptPreLogin: boolean) =>
    app.client.validate({ credential: { case: "cookieHeader", value: header }, acceptPreLogin });

  it("have a cookie name of their own and live 10 minutes (A25)", async () => {
    const { id, cookie, csrfToken, created } = await openPreLogin();

    expect(created.session).to.include({ preLogin: true, actorId: "", actorType: "" });
    expect(
      created.setCookies.map(({ name, value, maxAgeSeconds }) => [name, value, maxAgeSeconds]),
    ).to.deep.equal([
      ["__Host-prelogin", cookie, LIFE_SECONDS],
      ["__Host-csrf", csrfToken, LIFE_SECONDS],
    ]);
    expect((await accept(cookie)).session?.id).to.equal(id);
    await age(app, id, LIFE_SECONDS - 30);
    await accept(cookie);
    await age(app, id, 30);
    await expectFailure(accept(cookie), "EXPIRED_ABSOLUTE");
  });

  it("are not prolonged by activity (A25)", async () => {
    const { id, cookie } = await openPreLogin();
    await age(app, id, LIFE_SECONDS - 30);
    await app.client.touch({ session: byCookie(cookie) });
    expect((await accept(cookie)).absoluteSecondsLeft).to.be.at.most(30);
    await age(app, id, 30);
    await expectFailure(app.client.touch({ session: byCookie(cookie) }), "EXPIRED_ABSOLUTE");
  });

  it("can be given a shorter life, but not a longer one (A25)", async () => {
    const seconds = (n: number) => ({ seconds: BigInt(n) });
    const create = (n: number) =>
      app.client.create({ preLogin: true, absoluteTimeout: seconds(n) });
    expect((await create(60)).setCookies[0]?.maxAgeSeconds).to.equal(60);
    await expectFailure(create(LIFE_SECONDS + 1), "INVALID_REQUEST", { field: "absolute_timeout" });
  });

  it("are not accepted as a login (A25)", async () => {
    const { id, cookie, csrfToken } = await openPreLogin();
    const before = await sessionRow(app, id);
    await expectFailure(validate(app.client, cookie), "PRE_LOGIN_NOT_ACCEPTED");
    const session = byCookie(cookie);
    await expectFailure(app.client.validateCsrf({ session, csrfToken }), "PRE_LOGIN_NOT_ACCEPTED");
    await expectFailure(
      app.client.validate({ credential: { case: "cookie", value: cookie }, touch: true }),
      "PRE_LOGIN_NOT_ACCEPTED",
    );
    expect(await sessionRow(app, id)).to.deep.equal(before);
  });

  it("have a CSRF token that protects the login form (A25)", async () => {
    const { id, cookie, csrfToken } = await openPreLogin();
    const session = byCookie(cookie);
    const answer = await app.client.validateCsrf({ session, csrfToken, acceptPreLogin: true });
    expect(answer.session?.id).to.equal(id);
    await expectFailure(
      app.client.validateCsrf({ session, csrfToken: "wrong", acceptPreLogin: true }),
      "CSRF_MISMATCH",
    );
  });

  it("are found in a Cookie header under their own name only (A25)", async () => {
    const { id, cookie } = await openPreLogin();
    const header = `theme=dark; __Host-prelogin=${cookie}`;
    expect((await inHeader(header, true)).session?.id).to.equal(id);
    await expectFailure(inHeader(header, false), "INVALID_COOKIE");
    await expectFailure(inHeader(`prelogin=${cookie}`, true), "INVALID_COOKIE");
    await expectFailure(inHeader(`${header}; __Host-prelogin=${cookie}`, true), "INVALID_COOKIE");
    await expectFailure(inHeader(`__Host-session=${cookie}`, false), "PRE_LOGIN_NOT_ACCEPTED");
  });

  it("precede the login session in a Cookie header where they are accepted (A25)", async () => {
    const preLogin = await openPreLogin();
    const login = await openSession(app.client);
    const header = `__Host-prelogin=${preLogin.cookie}; __Host-session=${login.cookie}`;
    expect((await inHeader(header, true)).session?.id).to.equal(preLogin.id);
    expect((await inHeader(header, false)).session?.id).to.equal(login.id);
    // But not when it has ended.
    await app.client.revoke({ session: byCookie(preLogin.cookie) });
    expect((await inHeader(header, true)).session?.id).to.equal(login.id);
  });

  it("can name their actor (A25)", async () => {
    const actor = newActor({ tenantId: newTenant() });
    const { session } = await app.client.create({ actor, preLogin: true });
    expect(session).to.deep.include(actor);
  });

  it("have their own cookie cleared by a revocation (A25)", async () => {
    const { cookie } = await openPreLogin();
    const { setCookies, revoked } = await app.client.revoke({ session: byCookie(cookie) });
    expect(revoked).to.equal(true);
    expect(setCookies.map(({ name, maxAgeSeconds }) => [name, maxAgeSeconds])).to.deep.equal([
      ["__Host-prelogin", 0],
      ["__Host-csrf", 0],
    ]);
  });

  it("do not end by idleness alone (A25)", async () => {
    const { id, cookie } = await openPreLogin();
    await idle(app, id, LIFE_SECONDS - 30);
    await accept(cookie);
  });

  it("have their Create audited, without an acting actor (A25)", async () => {
    const { id } = await openPreLogin();
    expect(await auditOf(app.sql, id)).to.deep.equal([
      {
        category: "auth",
        action: "auth.session_created",
        acting_actor_id: "",
        calling_service: "",
        tenant_id: "default",
        resource_type: "session",
        resource_id: id,
        details: { actor_type: "", pre_login: "true" },
      },
    ]);
  });
});
