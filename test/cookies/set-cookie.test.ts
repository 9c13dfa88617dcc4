import { expect } from "chai";
import { signCookie } from "../../src/session/cookie.ts";
import { mintCsrfToken } from "../../src/session/csrf.ts";
import { secureRandomBytes } from "../../src/session/ids.ts";
import { MacKey } from "../../src/session/mac-key.ts";
import type { CookiePolicy } from "../../src/session/policy.ts";
import { SetCookieFactory } from "../../src/session/set-cookie.ts";
import { SESSION_ID, SIGNING_KEY_ID } from "../support/session-fixtures.ts";

const policy: CookiePolicy = {
  secure: true,
  sameSite: "lax",
  sessionName: "session",
  preLoginName: "prelogin",
  csrfName: "csrf",
};
const jar = new SetCookieFactory(policy);

describe("Set-Cookie", () => {
  it("ASVS 3.3: the session cookie is Secure, HttpOnly, SameSite=Lax, of Path=/ and __Host-", () => {
    expect(jar.session("v", 43_200, false)).to.deep.equal({
      name: "__Host-session",
      value: "v",
      maxAgeSeconds: 43_200,
      path: "/",
      secure: true,
      httpOnly: true,
      sameSite: "lax",
      header: "__Host-session=v; Path=/; Max-Age=43200; SameSite=Lax; HttpOnly; Secure",
    });
  });

  it("the CSRF cookie is the same but readable by scripts", () => {
    const { header, httpOnly } = jar.csrf("t", 60);
    expect(httpOnly).to.equal(false);
    expect(header).to.equal("__Host-csrf=t; Path=/; Max-Age=60; SameSite=Lax; Secure");
  });

  it("A25: a pre-login session has its own cookie name", () => {
    expect(jar.session("v", 600, true).name).to.equal("__Host-prelogin");
    expect(jar.clearSession(true).name).to.equal("__Host-prelogin");
  });

  it("D02: without TLS the prefix and Secure go, and nothing else", () => {
    const plain = new SetCookieFactory({ ...policy, secure: false });
    expect(plain.session("v", 1, false).header).to.equal(
      "session=v; Path=/; Max-Age=1; SameSite=Lax; HttpOnly",
    );
    expect(plain.csrf("t", 1).header).to.equal("csrf=t; Path=/; Max-Age=1; SameSite=Lax");
    expect([plain.sessionName, plain.preLoginName, plain.csrfName]).to.deep.equal([
      "session",
      "prelogin",
      "csrf",
    ]);
  });

  it("A27: SameSite follows the policy", () => {
    const written = { strict: "SameSite=Strict", lax: "SameSite=Lax", none: "SameSite=None" };
    for (const sameSite of ["strict", "lax", "none"] as const) {
      const { header } = new SetCookieFactory({ ...policy, sameSite }).session("v", 1, false);
      expect(header.split("; ")).to.include(written[sameSite]);
    }
  });

  it("clearing empties the value, with the same attributes, at once", () => {
    expect(jar.clearSession(false).header).to.equal(
      "__Host-session=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure",
    );
    expect(jar.clearCsrf().header).to.equal(
      "__Host-csrf=; Path=/; Max-Age=0; SameSite=Lax; Secure",
    );
  });

  it("ASVS 3.3.5: name and value stay within 4096 bytes at the longest names", () => {
    const longest = "n".repeat(256);
    const names = { sessionName: longest, preLoginName: longest, csrfName: longest };
    const long = new SetCookieFactory({ ...policy, ...names });
    const key = new MacKey(secureRandomBytes(32));
    const session = long.session(signCookie(SESSION_ID, SIGNING_KEY_ID, key), 1, false);
    const csrf = long.csrf(mintCsrfToken(secureRandomBytes).token, 1);
    for (const { name, value } of [session, csrf]) {
      expect(Buffer.byteLength(name) + Buffer.byteLength(value)).to.be.at.most(4096);
    }
  });
});
