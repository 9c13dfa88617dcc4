import crypto, { randomBytes, type timingSafeEqual as TimingSafeEqual } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { expect } from "chai";
import { isGenuine, type ParsedCookie, parseCookie, signCookie } from "../../src/session/cookie.ts";
import { csrfTokenMatches, hashCsrfToken, mintCsrfToken } from "../../src/session/csrf.ts";
import {
  mintSessionId,
  mintSigningKeyId,
  type SessionId,
  type SigningKeyId,
  secureRandomBytes,
} from "../../src/session/ids.ts";
import { MacKey } from "../../src/session/mac-key.ts";
import { T0 } from "../support/session-fixtures.ts";
import { compareTimes } from "../support/welch.ts";

/** A comparison that ends at the first difference, as those of the incident did. */
function endsEarly(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) {
    if (a.charCodeAt(index) !== b.charCodeAt(index)) return false;
  }
  return true;
}

/** The same text, not as pieces that are put together when it is first read. */
const flat = (text: string) => Buffer.from(text, "latin1").toString("latin1");

/** Another text that differs from this one in one character, and a well-formed MAC if this one is. */
function withOtherCharacter(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === "A" ? "E" : "A") + text.slice(at + 1);
}

describe("what comparisons of secrets compare (cookie-signature GHSA-92vm-wfm5-mxvv)", () => {
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

/** The time of a refusal must not tell how many characters of a guess are right. */
describe("how long comparisons of secrets take (cookie-signature GHSA-92vm-wfm5-mxvv)", () => {
  const key = new MacKey(randomBytes(32));
  const sessionId = mintSessionId(secureRandomBytes, T0);
  const signingKeyId = mintSigningKeyId(secureRandomBytes);
  const cookie = parseCookie(signCookie(sessionId, signingKeyId, key)) as ParsedCookie;
  const changed = (text: string, at: number) => flat(withOtherCharacter(text, at));
  // The last character, 42, has bits without a meaning: changed, it may be refused for its form.
  const [wrongAtStart, wrongAtEnd] = [changed(cookie.mac, 0), changed(cookie.mac, 41)];

  it("finds the comparison that ends at the first difference (the control)", () => {
    const { leaks, t } = compareTimes(
      (mac: string) => endsEarly(cookie.mac, mac),
      [wrongAtEnd, wrongAtStart],
      20,
    );

    expect(leaks, `t = ${t}`).to.equal(true);
    expect(t, "the later the difference, the slower").to.be.greaterThan(0);
  });

  it("finds it also behind the computation of the MAC (the control)", () => {
    const text = `${sessionId}.${signingKeyId}`;
    const { leaks, t } = compareTimes(
      (mac: string) => key.mac(text) !== "" && endsEarly(cookie.mac, mac),
      [wrongAtEnd, wrongAtStart],
      1,
    );

    expect(leaks, `t = ${t}`).to.equal(true);
  });

  it("does not tell how much of a cookie's MAC is right", () => {
    const late: ParsedCookie = { ...cookie, mac: wrongAtEnd };
    const early: ParsedCookie = { ...cookie, mac: wrongAtStart };
    expect(isGenuine(cookie, key)).to.equal(true);
    expect([isGenuine(late, key), isGenuine(early, key)]).to.deep.equal([false, false]);

    const { leaks, t } = compareTimes(
      (guess: ParsedCookie) => isGenuine(guess, key),
      [late, early],
      1,
    );

    expect(leaks, `t = ${t}`).to.equal(false);
  });

  it("does not tell how much of a CSRF token is right", () => {
    const { token, hash } = mintCsrfToken(secureRandomBytes);
    // The hash of the guess is compared, so the classes are hashes that agree for long, or not at all.
    const guess = mintCsrfToken(secureRandomBytes).token;
    const late = Buffer.from(hashCsrfToken(guess));
    const early = Buffer.from(late);
    late.writeUInt8(late.readUInt8(31) ^ 1, 31);
    early.writeUInt8(early.readUInt8(0) ^ 1, 0);
    expect(csrfTokenMatches(token, hash)).to.equal(true);
    expect([late, early].map((stored) => csrfTokenMatches(guess, stored))).to.deep.equal([
      false,
      false,
    ]);

    const { leaks, t } = compareTimes(
      (stored: Buffer) => csrfTokenMatches(guess, stored),
      [late, early],
      1,
    );

    expect(leaks, `t = ${t}`).to.equal(false);
  });
});
