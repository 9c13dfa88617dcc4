import { expect } from "chai";
import fc from "fast-check";
import { isGenuine, parseCookie, signCookie } from "../../src/session/cookie.ts";
import type { SessionId, SigningKeyId } from "../../src/session/ids.ts";
import { MacKey } from "../../src/session/mac-key.ts";

const hex = (digits: number) =>
  fc
    .uint8Array({ minLength: digits / 2, maxLength: digits / 2 })
    .map((bytes) => Buffer.from(bytes).toString("hex"));
const sessionId = hex(44).map((text) => `ses-${text}` as SessionId);
const signingKeyId = hex(32).map((text) => `sk-${text}` as SigningKeyId);
const key = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => new MacKey(Buffer.from(bytes)));
const cookie = fc.record({ sessionId, signingKeyId, key });

const edit = fc.record({
  at: fc.nat(140),
  remove: fc.nat(3),
  insert: fc.oneof(fc.string({ unit: "binary", maxLength: 2 }), fc.constantFrom(".", "=", "")),
});

/** A signed cookie and a text that it became by being spoilt in some places. */
const spoilt = fc
  .tuple(cookie, fc.array(edit, { minLength: 1, maxLength: 3 }))
  .map(([parts, edits]) => {
    const value = signCookie(parts.sessionId, parts.signingKeyId, parts.key);
    const text = edits.reduce(
      (now, { at, remove, insert }) => now.slice(0, at) + insert + now.slice(at + remove),
      value,
    );
    return { value, text, key: parts.key };
  });
const mutated = spoilt.map(({ text }) => text);

/** Written here once more, so that it is not the code under test that says what is canonical. */
function serialise(parsed: { sessionId: string; signingKeyId: string; mac: string }): string {
  return ["v1", parsed.sessionId, parsed.signingKeyId, parsed.mac].join(".");
}

describe("cookie, properties", () => {
  it("what was signed parses into what it was made of, and verifies", () => {
    fc.assert(
      fc.property(cookie, (parts) => {
        const value = signCookie(parts.sessionId, parts.signingKeyId, parts.key);
        const parsed = parseCookie(value);
        if (parsed === undefined) throw new Error("does not parse");
        expect(parsed.sessionId).to.equal(parts.sessionId);
        expect(parsed.signingKeyId).to.equal(parts.signingKeyId);
        expect(serialise(parsed)).to.equal(value);
        expect(isGenuine(parsed, parts.key)).to.equal(true);
      }),
    );
  });

  it("A17: what parses is the only spelling of what it says", () => {
    const form = fc
      .tuple(sessionId, signingKeyId, fc.stringMatching(/^[A-Za-z0-9_-]{43}$/))
      .map(([id, keyId, mac]) => `v1.${id}.${keyId}.${mac}`);
    let parsedOnes = 0;
    fc.assert(
      fc.property(fc.oneof(form, mutated), (text) => {
        const parsed = parseCookie(text);
        if (parsed === undefined) return;
        parsedOnes += 1;
        expect(serialise(parsed)).to.equal(text);
      }),
      { numRuns: 2000 },
    );
    // One in four texts of the right form has the unused bits at zero.
    expect(parsedOnes).to.be.greaterThan(50);
  });

  it("A17: no text makes the parser throw", () => {
    const any = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.string({ unit: fc.constantFrom(".", "v1", "ses-", "sk-", "0", "a", "="), maxLength: 200 }),
      mutated,
    );
    fc.assert(
      fc.property(any, (text) => {
        parseCookie(text);
      }),
      { numRuns: 2000 },
    );
  });

  it("A03, A04: no text but the signed one verifies as it", () => {
    fc.assert(
      fc.property(spoilt, ({ value, text, key }) => {
        const parsed = parseCookie(text);
        const verifies = parsed !== undefined && isGenuine(parsed, key);
        expect(verifies).to.equal(text === value);
      }),
      { numRuns: 2000 },
    );
    const pair = fc.tuple(cookie, sessionId, signingKeyId);
    fc.assert(
      fc.property(pair, ([parts, otherId, otherKeyId]) => {
        const value = signCookie(parts.sessionId, parts.signingKeyId, parts.key);
        const [, id, keyId, mac] = value.split(".");
        for (const [one, two] of [
          [otherId, keyId],
          [id, otherKeyId],
        ]) {
          const parsed = parseCookie(`v1.${one}.${two}.${mac}`);
          if (parsed === undefined) throw new Error("does not parse");
          expect(isGenuine(parsed, parts.key)).to.equal(false);
        }
      }),
    );
  });
});
