import { expect } from "chai";
import { byId, newActor, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";

const HOUR = 3600;

describe("Cookie headers", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  /** A browser at the login form: it has a pre-login cookie and what is left of the last login. */
  async function atLoginForm(sessionCookie: string) {
    const preLogin = await app.client.create({ preLogin: true });
    const header = `__Host-session=${sessionCookie}; __Host-prelogin=${preLogin.cookie}`;
    return { preLogin, credential: { case: "cookieHeader", value: header } as const };
  }

  async function revoked(id: string): Promise<void> {
    await app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "user" });
  }

  const leftovers: Record<string, () => Promise<string>> = {
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
  for (const [what, make] of Object.entries(leftovers)) {
    it(`A25: ${what} cookie does not hide the pre-login cookie from the login form`, async () => {
      const { preLogin, credential } = await atLoginForm(await make());
      const { csrfToken } = preLogin;

      const form = { credential, csrfToken, acceptPreLogin: true };
      const { session } = await app.client.validate(form);
      const login = await app.client.create({ actor: newActor(), replaces: { ref: credential } });

      expect(session?.id).to.equal(preLogin.session?.id);
      expect(login.replacedSessionId).to.equal(preLogin.session?.id);
    });
  }

  it("A25: a live login does not keep the login form from working, and is replaced", async () => {
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

  it("A25: elsewhere a live session's cookie comes before the pre-login cookie", async () => {
    const { id, cookie } = await openSession(app.client);
    const { credential } = await atLoginForm(cookie);

    expect((await app.client.validate({ credential })).session?.id).to.equal(id);
    expect((await app.client.touch({ session: { ref: credential } })).session?.id).to.equal(id);
  });

  it("A25: keep, current and ValidateCsrf do not take the pre-login cookie unasked", async () => {
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

  it("A25: Revoke by a Cookie header clears all of the browser's cookies", async () => {
    const { cookie } = await openSession(app.client);
    const { credential } = await atLoginForm(cookie);

    const { setCookies } = await app.client.revoke({ session: { ref: credential } });

    const names = ["__Host-csrf", "__Host-prelogin", "__Host-session"];
    expect(setCookies.map(({ name }) => name).sort()).to.deep.equal(names);
    expect(setCookies.every(({ maxAgeSeconds }) => maxAgeSeconds === 0)).to.equal(true);
  });

  it("A25: without accept_pre_login the pre-login cookie is not looked at", async () => {
    const { id, cookie } = await openSession(app.client);
    await revoked(id);
    const { credential } = await atLoginForm(cookie);

    await expectFailure(app.client.validate({ credential }), "REVOKED");
  });

  it("A25: of two cookies that are both no good, the session cookie's reason is given", async () => {
    const { id, cookie } = await openSession(app.client);
    await revoked(id);
    const { preLogin, credential } = await atLoginForm(cookie);
    await revoked(preLogin.session?.id ?? "");

    const call = app.client.validate({ credential, acceptPreLogin: true });

    await expectFailure(call, "REVOKED");
  });

  it("names the session in every call that takes a session", async () => {
    const { id, cookie, csrfToken, actor } = await openSession(app.client);
    const session = {
      ref: { case: "cookieHeader", value: `a=b; __Host-session=${cookie}` },
    } as const;
    const { client } = app;

    expect((await client.get({ session })).session?.id).to.equal(id);
    expect((await client.validateCsrf({ session, csrfToken })).session?.id).to.equal(id);
    expect((await client.touch({ session })).session?.id).to.equal(id);
    const [listed] = (await client.list({ actor, current: session })).sessions;
    expect(listed?.current).to.equal(true);
    const rotated = await client.rotateCsrf({ target: { case: "session", value: session } });
    expect(rotated.rotated[0]?.sessionId).to.equal(id);
    // As with a cookie, who shows it acts for the session's actor.
    const { session: ended } = await client.revoke({ session });
    expect([ended?.revokeReason, ended?.revokedBy]).to.deep.equal(["logout", actor.actorId]);
  });

  it("cookie tossing: a name that is there twice is refused, for either cookie", async () => {
    const { cookie } = await openSession(app.client);
    for (const name of ["__Host-session", "__Host-prelogin"]) {
      const value = `__Host-session=${cookie}; ${name}=a; ${name}=b`;
      const session = { ref: { case: "cookieHeader", value } } as const;
      await expectFailure(app.client.touch({ session }), "INVALID_COOKIE");
    }
  });

  it("fault 8: of touches that come together, one writes", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, 60);
    const credential = { case: "cookie", value: cookie } as const;

    const answers = await Promise.all(
      Array.from({ length: 50 }, () => app.client.validate({ credential, touch: true })),
    );

    expect(answers.filter(({ touched }) => touched)).to.have.lengthOf(1);
  });
});
