import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { isGenuine, type ParsedCookie, parseCookie, signCookie } from "../../src/session/cookie.ts";
import { csrfTokenMatches, hashCsrfToken, mintCsrfToken } from "../../src/session/csrf.ts";
import { mintSessionId, mintSigningKeyId, secureRandomBytes } from "../../src/session/ids.ts";
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

/** The time of a refusal must not tell how many characters of a guess are right. */
describe("timing of comparisons (cookie-signature GHSA-92vm-wfm5-mxvv)", () => {
  const key = new MacKey(randomBytes(32));
  const sessionId = mintSessionId(secureRandomBytes, T0);
  const signingKeyId = mintSigningKeyId(secureRandomBytes);
  const cookie = parseCookie(signCookie(sessionId, signingKeyId, key)) as ParsedCookie;
  /** The text with another character at the index. */
  const changed = (text: string, index: number) =>
    flat(text.slice(0, index) + (text[index] === "A" ? "B" : "A") + text.slice(index + 1));
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
    const long = flat(cookie.mac.repeat(30));
    const { leaks, t } = compareTimes(
      (mac: string) => key.mac(text) !== "" && endsEarly(long, mac),
      [changed(long, long.length - 1), changed(long, 0)],
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
