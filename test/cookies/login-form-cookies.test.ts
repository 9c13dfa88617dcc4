import { expect } from "chai";
import { byId, newActor, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";

const HOUR = 3600;

describe("cookies of a login form", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  /** A browser at the login form: it has a pre-login cookie and the cookie of an earlier login. */
  async function atLoginForm(sessionCookie: string) {
    const preLogin = await app.client.create({ preLogin: true });
    const header = `__Host-session=${sessionCookie}; __Host-prelogin=${preLogin.cookie}`;
    return { preLogin, credential: { case: "cookieHeader", value: header } as const };
  }

  async function revoked(id: string): Promise<void> {
    await app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "user" });
  }

  const earlierLogins: Record<string, () => Promise<string>> = {
    "an idle session's": async () => {
      const { id, cookie } = await openSession(app.client);
      await idle(app, id, HOUR);
      return cookie;
    },
    "a revoked session's": async () => {
      const { id, cookie } = await openSession(app.client);
      await revoked(id);
      return cookie;
    },
    "a deleted session's": async () => {
      const { id, cookie } = await openSession(app.client);
      await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
      return cookie;
    },
    "a forged": async () => "v1.forged",
  };
  for (const [what, make] of Object.entries(earlierLogins)) {
    it(`accepts the pre-login cookie beside ${what} cookie (A25)`, async () => {
      const { preLogin, credential } = await atLoginForm(await make());
      const { csrfToken } = preLogin;

      const form = { credential, csrfToken, acceptPreLogin: true };
      const { session } = await app.client.validate(form);
      const login = await app.client.create({ actor: newActor(), replaces: { ref: credential } });

      expect(session?.id).to.equal(preLogin.session?.id);
      expect(login.replacedSessionId).to.equal(preLogin.session?.id);
    });
  }

  it("accepts the pre-login cookie beside a live session's, which the login replaces (A25)", async () => {
    const { id, cookie } = await openSession(app.client);
    const { preLogin, credential } = await atLoginForm(cookie);
    const { csrfToken } = preLogin;

    const { session } = await app.client.validate({ credential, csrfToken, acceptPreLogin: true });
    const login = await app.client.create({ actor: newActor(), replaces: { ref: credential } });

    expect(session?.id).to.equal(preLogin.session?.id);
    expect(login.replacedSessionId).to.equal(id);
    const cleared = login.setCookies.filter(({ maxAgeSeconds }) => maxAgeSeconds === 0);
    expect(cleared.map(({ name }) => name)).to.deep.equal(["__Host-prelogin"]);
  });

  it("prefers a live session's cookie to the pre-login cookie elsewhere (A25)", async () => {
    const { id, cookie } = await openSession(app.client);
    const { credential } = await atLoginForm(cookie);

    expect((await app.client.validate({ credential })).session?.id).to.equal(id);
    expect((await app.client.touch({ session: { ref: credential } })).session?.id).to.equal(id);
  });

  it("uses the pre-login cookie for ValidateCsrf and keep only if asked to (A25)", async () => {
    const { id, cookie, actor } = await openSession(app.client);
    const { preLogin, credential } = await atLoginForm(cookie);
    await revoked(id);
    const ref = { ref: credential };
    const { csrfToken } = preLogin;

    const asked = await app.client.validateCsrf({ session: ref, csrfToken, acceptPreLogin: true });
    expect(asked.session?.id).to.equal(preLogin.session?.id);
    await expectFailure(app.client.validateCsrf({ session: ref, csrfToken }), "REVOKED");
    const keeping = { actor, keep: ref, reason: "logout", actingActorId: "user" };
    expect((await app.client.revokeAllForActor(keeping)).revokedCount).to.equal(0);
  });

  it("clears all of the browser's cookies on Revoke by a Cookie header (A25)", async () => {
    const { cookie } = await openSession(app.client);
    const { credential } = await atLoginForm(cookie);

    const { setCookies } = await app.client.revoke({ session: { ref: credential } });

    const names = ["__Host-csrf", "__Host-prelogin", "__Host-session"];
    expect(setCookies.map(({ name }) => name).sort()).to.deep.equal(names);
    expect(setCookies.every(({ maxAgeSeconds }) => maxAgeSeconds === 0)).to.equal(true);
  });

  it("ignores the pre-login cookie without accept_pre_login (A25)", async () => {
    const { id, cookie } = await openSession(app.client);
    await revoked(id);
    const { credential } = await atLoginForm(cookie);

    await expectFailure(app.client.validate({ credential }), "REVOKED");
  });

  it("gives the session cookie's reason where neither cookie is accepted (A25)", async () => {
    const { id, cookie } = await openSession(app.client);
    await revoked(id);
    const { preLogin, credential } = await atLoginForm(cookie);
    await revoked(preLogin.session?.id ?? "");

    const call = app.client.validate({ credential, acceptPreLogin: true });

    await expectFailure(call, "REVOKED");
  });

  it("finds the session cookie's session for Revoke where neither is live (A25)", async () => {
    const { id, cookie } = await openSession(app.client);
    await revoked(id);
    const { preLogin, credential } = await atLoginForm(cookie);
    await revoked(preLogin.session?.id ?? "");

    const answer = await app.client.revoke({ session: { ref: credential } });

    expect(answer.revoked).to.equal(false);
    expect(answer.session?.id).to.equal(id);
  });

  it("refuses Revoke with INVALID_COOKIE where neither cookie is genuine (A25)", async () => {
    const value = "__Host-session=v1.forged; __Host-prelogin=v1.forged";
    const session = { ref: { case: "cookieHeader", value } } as const;
    await expectFailure(app.client.revoke({ session }), "INVALID_COOKIE");
  });
});
