import crypto, { type timingSafeEqual as TimingSafeEqual } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { expect } from "chai";
import { isGenuine, parseCookie, signCookie } from "../../src/session/cookie.ts";
import { csrfTokenMatches, mintCsrfToken } from "../../src/session/csrf.ts";
import { type SessionId, type SigningKeyId, secureRandomBytes } from "../../src/session/ids.ts";
import { MacKey } from "../../src/session/mac-key.ts";

/** Another text that differs from this one in one character, and a well-formed MAC if this one is. */
function withOtherCharacter(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === "A" ? "E" : "A") + text.slice(at + 1);
}

describe("comparisons in constant time (cookie-signature GHSA-92vm-wfm5-mxvv)", () => {
  const real: typeof TimingSafeEqual = crypto.timingSafeEqual;
  let comparedBytes: number[] = [];

  before(() => {
    crypto.timingSafeEqual = (a, b) => {
      comparedBytes.push(a.byteLength);
      return real(a, b);
    };
    syncBuiltinESMExports();
  });
  beforeEach(() => {
    comparedBytes = [];
  });
  after(() => {
    crypto.timingSafeEqual = real;
    syncBuiltinESMExports();
  });

  it("the MAC of a cookie is compared as a whole, wherever it differs (ASVS 11.2.4)", () => {
    const key = new MacKey(secureRandomBytes(32));
    const sessionId = `ses-${"0".repeat(44)}` as SessionId;
    const genuine = signCookie(sessionId, `sk-${"0".repeat(32)}` as SigningKeyId, key);
    const mac = genuine.lastIndexOf(".") + 1;
    for (let at = mac; at < genuine.length; at += 1) {
      const cookie = parseCookie(withOtherCharacter(genuine, at));
      expect(cookie && isGenuine(cookie, key), `character ${at - mac}`).to.equal(false);
    }
    expect(comparedBytes).to.deep.equal(Array(43).fill(43));
  });

  it("the hash of a CSRF token is compared as a whole, wherever the token differs (ASVS 11.2.4)", () => {
    const { token, hash } = mintCsrfToken(secureRandomBytes);
    for (let at = 0; at < token.length; at += 1) {
      expect(csrfTokenMatches(withOtherCharacter(token, at), hash)).to.equal(false);
    }
    for (const other of ["", token.slice(1), `${token}x`]) {
      expect(csrfTokenMatches(other, hash)).to.equal(false);
    }
    expect(comparedBytes).to.deep.equal(Array(token.length + 3).fill(32));
  });
});
