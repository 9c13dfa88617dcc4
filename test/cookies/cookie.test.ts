import { createHmac } from "node:crypto";
import { expect } from "chai";
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

describe("cookie: signing", () => {
  it("A01: is v1, both ids and the HMAC-SHA256 of both with their lengths", () => {
    expect(signCookie(ID, KEY_ID, KEY)).to.equal(COOKIE);
    const mac = createHmac("sha256", SECRET).update(`48:${ID}:35:${KEY_ID}`).digest("base64url");
    expect(mac).to.equal(MAC);
  });

  it("counts lengths in bytes, not in characters", () => {
    expect(macInput("é", "𝒳")).to.equal("2:é:4:𝒳");
  });

  it("A12: keeps apart what would be equal when run together", () => {
    const mac = (sessionId: string, keyId: string) =>
      createHmac("sha256", SECRET).update(macInput(sessionId, keyId)).digest("hex");
    expect(mac("abc", "de")).not.to.equal(mac("ab", "cde"));
    expect(macInput("abc", "de")).to.equal("3:abc:2:de");
    // The separator and the digits of a length may themselves be part of an id.
    expect(macInput("a:1", "b")).not.to.equal(macInput("a", "1:b"));
    expect(macInput("", "1:0:")).not.to.equal(macInput("1:0:", ""));
  });

  it("A12: refuses a cookie whose boundary was slid, with its MAC as it is", () => {
    const run = `${ID}${KEY_ID}`;
    const bounds = Array.from({ length: run.length + 1 }, (_, index) => index);
    for (const bound of bounds.filter((index) => index !== ID.length)) {
      const slid = `v1.${run.slice(0, bound)}.${run.slice(bound)}.${MAC}`;
      expect(verifies(slid), slid).to.equal(false);
    }
  });
});

describe("cookie: form", () => {
  it("gives back the parts", () => {
    expect(parseCookie(COOKIE)).to.deep.equal({
      sessionId: ID,
      signingKeyId: KEY_ID,
      mac: MAC,
    });
  });

  const mac31 = Buffer.alloc(31, 1).toString("base64url");
  const mac33 = Buffer.alloc(33, 1).toString("base64url");
  const standard = Buffer.alloc(32, 0xff).toString("base64").replace("=", "");
  const refusals: Record<string, readonly string[]> = {
    "an empty text": ["", " ", "."],
    "another number of segments": [
      `v1.${ID}.${KEY_ID}`,
      `v1.${ID}.${MAC}`,
      `${COOKIE}.`,
      `${COOKIE}.${MAC}`,
      `${COOKIE}${".x".repeat(1000)}`,
      `.${COOKIE}`,
      `v1..${ID}.${KEY_ID}.${MAC}`,
      "v1...",
      "....",
    ],
    "A05: another version": ["", "v0", "v2", "v99", "V1", "v01", "v1 ", "1", "ｖ1", "v1\0"].map(
      (version) => `${version}.${ID}.${KEY_ID}.${MAC}`,
    ),
    "A05: no version": [`${ID}.${KEY_ID}.${MAC}`],
    "a session id without `ses-`": [`v1.${ID.slice(4)}.${KEY_ID}.${MAC}`],
    "a key id without `sk-`": [`v1.${ID}.${KEY_ID.slice(3)}.${MAC}`],
    "ids that changed places": [`v1.${KEY_ID}.${ID}.${MAC}`],
    "a session id of another form": [
      "ses-",
      `${ID}0`,
      ID.toUpperCase(),
      ID.replace("0", "g"),
      `${ID}\n`,
      `${ID}\0`,
    ].map((id) => `v1.${id}.${KEY_ID}.${MAC}`),
    "a key id of another form": [
      "sk-",
      "__proto__",
      "../",
      "sk-' OR 1=1",
      `${KEY_ID}f`,
      KEY_ID.toUpperCase(),
    ].map((id) => `v1.${ID}.${id}.${MAC}`),
    "an empty MAC": [`v1.${ID}.${KEY_ID}.`],
    "a MAC of 31 or 33 bytes": [mac31, mac33].map((mac) => `v1.${ID}.${KEY_ID}.${mac}`),
    "bad base64": [MAC.replace("O", "*"), MAC.replace("O", "é"), MAC.replace("O", " ")].map(
      (mac) => `v1.${ID}.${KEY_ID}.${mac}`,
    ),
    "padded base64": [`${COOKIE}=`, `${COOKIE.slice(0, -1)}=`],
    "the standard alphabet": [`v1.${ID}.${KEY_ID}.${standard}`],
    "surrounding space or line ends": [` ${COOKIE}`, `${COOKIE} `, `${COOKIE}\r\n`, `${COOKIE}\0`],
    "a dot of another script": [COOKIE.replace(".", "．"), COOKIE.replaceAll(".", "。")],
    "a lone surrogate": [COOKIE.replace("O", "\ud800"), `\udc00${COOKIE}`],
    "a megabyte": ["a".repeat(2 ** 20), ".".repeat(2 ** 20), `v1.${ID}.${"a".repeat(2 ** 20)}.x`],
  };
  for (const [what, values] of Object.entries(refusals)) {
    it(`A17: refuses ${what}`, () => {
      for (const value of values) {
        expect(parseCookie(value), JSON.stringify(value.slice(0, 200))).to.equal(undefined);
      }
    });
  }

  it("A17: refuses all spellings of a MAC's last character but the canonical one", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Four of the 64 characters decode to the same byte; the two unused bits must be zero.
    const accepted = [...alphabet].filter((last) => parseCookie(COOKIE.slice(0, -1) + last));
    expect(accepted.join("")).to.equal("AEIMQUYcgkosw048");
  });
});

describe("cookie: genuineness", () => {
  it("A10: holds for the key that signed, and for no other", () => {
    expect(verifies(COOKIE)).to.equal(true);
    const other = new MacKey(Buffer.alloc(32, 7));
    expect(verifies(COOKIE, other)).to.equal(false);
  });

  it("A03: ends with any flipped bit of the MAC", () => {
    const mac = Buffer.from(MAC, "base64url");
    for (let bit = 0; bit < 256; bit += 1) {
      const flipped = Buffer.from(mac);
      const at = bit >> 3;
      flipped[at] = (flipped[at] as number) ^ (1 << (bit & 7));
      const value = `v1.${ID}.${KEY_ID}.${flipped.toString("base64url")}`;
      expect(parseCookie(value), value).not.to.equal(undefined);
      expect(verifies(value), value).to.equal(false);
    }
  });

  it("A04: ends with any other character in either id", () => {
    const start = "v1.".length;
    const end = COOKIE.lastIndexOf(".");
    for (let at = start; at < end; at += 1) {
      const other = COOKIE[at] === "0" ? "1" : "0";
      const value = COOKIE.slice(0, at) + other + COOKIE.slice(at + 1);
      expect(verifies(value), value).to.equal(false);
    }
  });
});
