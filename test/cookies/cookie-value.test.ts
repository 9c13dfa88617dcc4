import { createHmac } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { isGenuine, macInput, parseCookie, signCookie } from "../../src/session/cookie.ts";
import type { SessionId, SigningKeyId } from "../../src/session/ids.ts";
import { MacKey } from "../../src/session/mac-key.ts";

const SECRET = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const KEY = new MacKey(SECRET);
const ID = "ses-0194214be0000123456789abcdef0123456789abcdef" as SessionId;
const KEY_ID = "sk-fedcba9876543210fedcba9876543210" as SigningKeyId;
const MAC = "Ol7xZ8tAgSABKL0NagSNiwBCWWVmdFaZ-8ELJvtppEY";
const COOKIE = `v1.${ID}.${KEY_ID}.${MAC}`;

function verifies(value: string, key = KEY): boolean {
  const parsed = parseCookie(value);
  return parsed !== undefined && isGenuine(parsed, key);
}

describe("cookie value: signing", () => {
  it("is v1, both ids and the HMAC-SHA256 of both with their lengths (A01)", () => {
    expect(signCookie(ID, KEY_ID, KEY)).to.equal(COOKIE);
    const mac = createHmac("sha256", SECRET).update(`48:${ID}:35:${KEY_ID}`).digest("base64url");
    expect(mac).to.equal(MAC);
  });

  it("verifies with the key that signed it and with no other", () => {
    expect(verifies(COOKIE)).to.equal(true);
    expect(verifies(COOKIE, new MacKey(Buffer.alloc(32, 7)))).to.equal(false);
  });

  it("does not verify with any other character in either id (A04)", () => {
    for (let at = "v1.".length; at < COOKIE.lastIndexOf("."); at += 1) {
      const other = COOKIE[at] === "0" ? "1" : "0";
      const value = COOKIE.slice(0, at) + other + COOKIE.slice(at + 1);
      expect(verifies(value), value).to.equal(false);
    }
  });

  it("does not verify with the boundary between its ids anywhere else (A12)", () => {
    const run = `${ID}${KEY_ID}`;
    const bounds = Array.from({ length: run.length + 1 }, (_, index) => index);
    for (const bound of bounds.filter((index) => index !== ID.length)) {
      const moved = `v1.${run.slice(0, bound)}.${run.slice(bound)}.${MAC}`;
      expect(verifies(moved), moved).to.equal(false);
    }
  });
});

describe("cookie value: MAC input", () => {
  it("gives the length of each part, in bytes (A12)", () => {
    expect(macInput("abc", "de")).to.equal("3:abc:2:de");
    expect(macInput("abc", "de")).not.to.equal(macInput("ab", "cde"));
    expect(macInput("é", "𝒳")).to.equal("2:é:4:𝒳");
    // The separator and the digits of a length may themselves be part of an id.
    expect(macInput("a:1", "b")).not.to.equal(macInput("a", "1:b"));
    expect(macInput("", "1:0:")).not.to.equal(macInput("1:0:", ""));
  });

  it("differs for any other two parts, equal when concatenated or not (A12, property)", () => {
    const part = fc.string({ unit: fc.constantFrom("a", ":", "1", "2", "é") });
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        if (macInput(a, b) === macInput(c, d)) expect([a, b]).to.deep.equal([c, d]);
      }),
    );
    fc.assert(
      fc.property(part, fc.nat(), fc.nat(), (text, at, other) => {
        const [i, j] = [at % (text.length + 1), other % (text.length + 1)];
        fc.pre(i !== j);
        const moved = macInput(text.slice(0, j), text.slice(j));
        expect(macInput(text.slice(0, i), text.slice(i))).not.to.equal(moved);
      }),
    );
  });
});

describe("cookie value: parsing", () => {
  // What a protobuf string cannot carry; all else is sent over the wire in forged-cookies.test.ts.
  it("refuses lone surrogates (A17)", () => {
    for (const value of [COOKIE.replace("O", "\ud800"), `\udc00${COOKIE}`]) {
      expect(parseCookie(value)).to.equal(undefined);
    }
  });

  it("accepts one spelling only of the MAC's last character (A17)", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Four of the 64 characters decode to the same byte; the two unused bits must be zero.
    const accepted = [...alphabet].filter((last) => parseCookie(COOKIE.slice(0, -1) + last));
    expect(accepted.join("")).to.equal("AEIMQUYcgkosw048");
  });
});

describe("cookie value: properties", () => {
  const hex = (digits: number) =>
    fc
      .uint8Array({ minLength: digits / 2, maxLength: digits / 2 })
      .map((bytes) => Buffer.from(bytes).toString("hex"));
  const sessionId = hex(44).map((text) => `ses-${text}` as SessionId);
  const signingKeyId = hex(32).map((text) => `sk-${text}` as SigningKeyId);
  const key = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => new MacKey(Buffer.from(bytes)));
  const parts = fc.record({ sessionId, signingKeyId, key });
  const sign = (of: { sessionId: SessionId; signingKeyId: SigningKeyId; key: MacKey }) =>
    signCookie(of.sessionId, of.signingKeyId, of.key);

  const edit = fc.record({
    at: fc.nat(140),
    remove: fc.nat(3),
    insert: fc.oneof(fc.string({ unit: "binary", maxLength: 2 }), fc.constantFrom(".", "=", "")),
  });
  /** A signed cookie, and the text that some edits have made of it. */
  const edited = fc
    .tuple(parts, fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([signed, edits]) => {
      const value = sign(signed);
      const text = edits.reduce(
        (now, { at, remove, insert }) => now.slice(0, at) + insert + now.slice(at + remove),
        value,
      );
      return { value, text, key: signed.key };
    });
  const editedText = edited.map(({ text }) => text);

  /** Written here once more, so that it is not the code under test that says what is canonical. */
  const serialise = (parsed: { sessionId: string; signingKeyId: string; mac: string }) =>
    ["v1", parsed.sessionId, parsed.signingKeyId, parsed.mac].join(".");

  it("parses what was signed into its parts, and verifies it", () => {
    fc.assert(
      fc.property(parts, (signed) => {
        const value = sign(signed);
        const parsed = parseCookie(value);
        if (parsed === undefined) throw new Error("does not parse");
        expect(parsed.sessionId).to.equal(signed.sessionId);
        expect(parsed.signingKeyId).to.equal(signed.signingKeyId);
        expect(serialise(parsed)).to.equal(value);
        expect(isGenuine(parsed, signed.key)).to.equal(true);
      }),
    );
  });

  it("parses one spelling only of the same parts (A17)", () => {
    const form = fc
      .tuple(sessionId, signingKeyId, fc.stringMatching(/^[A-Za-z0-9_-]{43}$/))
      .map(([id, keyId, mac]) => `v1.${id}.${keyId}.${mac}`);
    let parsedCount = 0;
    fc.assert(
      fc.property(fc.oneof(form, editedText), (text) => {
        const parsed = parseCookie(text);
        if (parsed === undefined) return;
        parsedCount += 1;
        expect(serialise(parsed)).to.equal(text);
      }),
      { numRuns: 2000 },
    );
    // One in four texts of the right form has the unused bits at zero.
    expect(parsedCount).to.be.greaterThan(50);
  });

  it("does not throw for any text (A17)", () => {
    const any = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.string({ unit: fc.constantFrom(".", "v1", "ses-", "sk-", "0", "a", "="), maxLength: 200 }),
      editedText,
    );
    fc.assert(
      fc.property(any, (text) => {
        parseCookie(text);
      }),
      { numRuns: 2000 },
    );
  });

  it("verifies no text but the signed one (A03, A04)", () => {
    fc.assert(
      fc.property(edited, ({ value, text, key }) => {
        expect(verifies(text, key)).to.equal(text === value);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(parts, sessionId, signingKeyId, (signed, otherId, otherKeyId) => {
        const [, id, keyId, mac] = sign(signed).split(".");
        for (const ids of [
          [otherId, keyId],
          [id, otherKeyId],
        ]) {
          const parsed = parseCookie(["v1", ...ids, mac].join("."));
          if (parsed === undefined) throw new Error("does not parse");
          expect(isGenuine(parsed, signed.key)).to.equal(false);
        }
      }),
    );
  });
});
