import { randomBytes } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { macInput } from "../../src/session/cookie.ts";
import {
  newActor,
  newTenant,
  type OpenedSession,
  openSession,
  validate,
} from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { forgeCookie, signingSecret } from "../support/signing-keys.ts";

describe("behaviours: forged cookies", () => {
  let app: TestApp;
  let genuine: OpenedSession;
  let keyId: string;
  let mac: string;

  before(async () => {
    app = await startTestApp();
    genuine = await openSession(app.client);
    [, , keyId = "", mac = ""] = genuine.cookie.split(".");
  });
  after(() => app.stop());

  const refused = (cookie: string) => expectFailure(validate(app.client, cookie), "INVALID_COOKIE");
  const withMac = (bytes: Buffer) => `v1.${genuine.id}.${keyId}.${bytes.toString("base64url")}`;

  afterEach("the genuine cookie is still good", async () => {
    expect((await validate(app.client, genuine.cookie)).session?.id).to.equal(genuine.id);
  });

  it("A03: any one bit flipped in the HMAC is INVALID_COOKIE", async () => {
    const bytes = Buffer.from(mac, "base64url");
    const flips = Array.from({ length: 8 * bytes.length }, (_, bit) => {
      const flipped = Buffer.from(bytes);
      const index = bit >> 3;
      flipped.writeUInt8(flipped.readUInt8(index) ^ (1 << (bit & 7)), index);
      return withMac(flipped);
    });
    expect(flips).to.have.length(256);
    await Promise.all(flips.map(refused));
  });

  it("A04: another session id under the same HMAC is INVALID_COOKIE", async () => {
    const other = await openSession(app.client);
    await refused(`v1.${other.id}.${keyId}.${mac}`);
    const last = genuine.id.endsWith("0") ? "1" : "0";
    await refused(`v1.${genuine.id.slice(0, -1)}${last}.${keyId}.${mac}`);
  });

  it("A04: another key id that exists is INVALID_COOKIE", async () => {
    const { created } = await openSession(app.client, {
      actor: newActor({ tenantId: newTenant() }),
    });
    await refused(`v1.${genuine.id}.${created.session?.signingKeyId}.${mac}`);
  });

  for (const version of ["", "v0", "v2", "v99", "V1", "v1 ", " v1", "v01", "1", "v"]) {
    it(`A05: the version ${JSON.stringify(version)} is INVALID_COOKIE`, async () => {
      await refused(`${version}.${genuine.id}.${keyId}.${mac}`);
    });
  }

  it("A05: a cookie without the version's segment is INVALID_COOKIE", async () => {
    await refused(`${genuine.id}.${keyId}.${mac}`);
  });

  it("A12: the HMAC's input tells where the parts end", () => {
    expect(macInput("abc", "de")).to.not.equal(macInput("ab", "cde"));
    expect(macInput("abc", "de")).to.equal("3:abc:2:de");
    // Lengths are in bytes, and digits and colons in a part cannot pass for the frame.
    expect(macInput("é", "")).to.equal("2:é:0:");
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
        const slid = macInput(text.slice(0, j), text.slice(j));
        expect(macInput(text.slice(0, i), text.slice(i))).to.not.equal(slid);
      }),
    );
  });

  it("A12: a cookie whose boundary was slid is refused", async () => {
    const [head, tail] = [genuine.id.slice(0, -1), genuine.id.slice(-1)];
    await refused(`v1.${head}.${tail}${keyId}.${mac}`);
    await refused(`v1.${genuine.id}${keyId.slice(0, 1)}.${keyId.slice(1)}.${mac}`);
  });

  it("A12: an HMAC over the bare concatenation is refused", async () => {
    const secret = await signingSecret(app.sql, keyId);
    await refused(forgeCookie(genuine.id, keyId, secret, genuine.id + keyId));
    await refused(forgeCookie(genuine.id, keyId, secret, `${genuine.id}.${keyId}`));
    // The control: the same key over the documented input makes the genuine cookie.
    expect(forgeCookie(genuine.id, keyId, secret)).to.equal(genuine.cookie);
  });

  it("ASVS 7.2.1: a genuine HMAC without a row is INVALID_COOKIE", async () => {
    const secret = await signingSecret(app.sql, keyId);
    await refused(forgeCookie(`ses-${randomBytes(22).toString("hex")}`, keyId, secret));
  });

  it("ASVS 8.4.1: a genuine HMAC of another tenant's key is INVALID_COOKIE", async () => {
    const { created } = await openSession(app.client, {
      actor: newActor({ tenantId: newTenant() }),
    });
    const foreignKey = created.session?.signingKeyId as string;
    await refused(forgeCookie(genuine.id, foreignKey, await signingSecret(app.sql, foreignKey)));
  });

  describe("A17: the parser refuses", () => {
    const malformed: Record<string, () => string> = {
      "an empty cookie": () => "",
      "dots alone": () => "...",
      "two segments": () => `v1.${genuine.id}`,
      "three segments": () => `v1.${genuine.id}.${keyId}`,
      "an empty MAC": () => `v1.${genuine.id}.${keyId}.`,
      "five segments": () => `${genuine.cookie}.x`,
      "a trailing dot": () => `${genuine.cookie}.`,
      "a leading dot": () => `.${genuine.cookie}`,
      "a doubled dot": () => genuine.cookie.replace(".sk", "..sk"),
      "surrounding space": () => ` ${genuine.cookie} `,
      "quotes around it": () => `"${genuine.cookie}"`,
      "a line break after it": () => `${genuine.cookie}\n`,
      "NUL after it": () => `${genuine.cookie}\0`,
      "a session id without ses-": () => genuine.cookie.replace("ses-", ""),
      "a session id of another prefix": () => genuine.cookie.replace("ses-", "SES-"),
      "a session id in capitals": () => genuine.cookie.replace(genuine.id, `ses-${"A".repeat(44)}`),
      "a session id cut short": () => genuine.cookie.replace(genuine.id, genuine.id.slice(0, -1)),
      "a key id without sk-": () => genuine.cookie.replace("sk-", ""),
      "a key id of another prefix": () => genuine.cookie.replace("sk-", "sx-"),
      "a key id of another length": () => genuine.cookie.replace("sk-", "sk-0"),
      "a MAC that is not base64url": () => genuine.cookie.replace(mac, "!".repeat(43)),
      "a padded MAC": () => `${genuine.cookie}=`,
      "a MAC of 0 bytes": () => withMac(Buffer.alloc(0)),
      "a MAC of 31 bytes": () => withMac(Buffer.from(mac, "base64url").subarray(0, 31)),
      "a MAC of 33 bytes": () =>
        withMac(Buffer.concat([Buffer.from(mac, "base64url"), Buffer.alloc(1)])),
    };
    for (const [what, cookie] of Object.entries(malformed)) {
      it(`A17: ${what}`, () => refused(cookie()).then(() => {}));
    }

    it("A17: a MAC whose unused bits are set", async () => {
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      const last = alphabet.indexOf(mac.slice(-1));
      for (const unused of [1, 2, 3]) {
        const twin = mac.slice(0, -1) + alphabet[last | unused];
        // Decoders that forgive see the same bytes.
        expect(Buffer.from(twin, "base64url")).to.deep.equal(Buffer.from(mac, "base64url"));
        await refused(genuine.cookie.replace(mac, twin));
      }
    });

    it("A17: a MAC in the standard alphabet", async () => {
      // A MAC with one of the two characters that differ: there soon is one.
      let { cookie } = genuine;
      while (!/[-_][^.]*$/.test(cookie.slice(-43))) ({ cookie } = await openSession(app.client));
      await validate(app.client, cookie);
      const standard = cookie.slice(-43).replaceAll("-", "+").replaceAll("_", "/");
      await refused(cookie.slice(0, -43) + standard);
    });
  });
});
