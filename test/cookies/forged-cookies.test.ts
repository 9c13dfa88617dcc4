import { createHmac, randomBytes } from "node:crypto";
import { expect } from "chai";
import { parseCookie } from "../../src/session/cookie.ts";
import {
  byCookie,
  newActor,
  newTenant,
  type OpenedSession,
  openSession,
  validate,
} from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import {
  type BadInput,
  type BadInputApp,
  itRefuses,
  startBadInputApp,
  withoutTrace,
} from "../support/bad-input.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { inParallel } from "../support/in-parallel.ts";
import { malformedCookies, wrongVersions } from "../support/malformed-cookies.ts";
import { forgeCookie, lengthPrefixed, signingSecret } from "../support/signing-keys.ts";

describe("forged cookies", () => {
  let app: BadInputApp;
  let largeMessages: Replica;
  let genuine: OpenedSession;
  let keyId: string;
  let mac: string;
  let secret: Buffer;

  before(async () => {
    app = await startBadInputApp();
    const env = { SESSIOND_MAX_MESSAGE_BYTES: "4MiB" };
    largeMessages = await startReplica(app.database.url, { env });
    genuine = await openSession(app.client);
    [, , keyId = "", mac = ""] = genuine.cookie.split(".");
    secret = await signingSecret(app.sql, keyId);
  });
  after(async () => {
    await largeMessages?.stop();
    await app.stop();
  });
  afterEach("the genuine cookie is still accepted", async () => {
    expect((await validate(app.client, genuine.cookie)).session?.id).to.equal(genuine.id);
  });

  const refused = (cookie: string) =>
    withoutTrace(app, () => expectFailure(validate(app.client, cookie), "INVALID_COOKIE"));

  /** A session of another tenant, so that its cookie names another key. */
  async function foreignKeyId(): Promise<string> {
    const actor = newActor({ tenantId: newTenant() });
    const { created } = await openSession(app.client, { actor });
    return created.session?.signingKeyId ?? "";
  }

  const changed = (id: string, changes: typeof malformedCookies): BadInput[] =>
    Object.entries(changes).map(([what, change]) => ({
      what: `a cookie ${what} (${id})`,
      call: (client) => validate(client, change(genuine.cookie)),
      reason: "INVALID_COOKIE",
      message: "the session cookie is missing or not valid",
    }));
  const withUnknownKey = () =>
    genuine.cookie.replace(/sk-\w+/, `sk-${randomBytes(16).toString("hex")}`);
  const unknownKey = {
    reason: "SIGNING_KEY_NOT_FOUND",
    message: "the session cookie names a signing key that does not exist",
  } as const;

  itRefuses(
    () => app,
    [
      ...changed("A05", wrongVersions),
      ...changed("A17", malformedCookies),
      {
        what: "a cookie with a key id that no key has (A09)",
        call: (client) => validate(client, withUnknownKey()),
        ...unknownKey,
      },
      {
        what: "a Touch by a cookie with a key id that no key has (A09)",
        call: (client) => client.touch({ session: byCookie(withUnknownKey()) }),
        ...unknownKey,
      },
    ],
  );

  it("refuses a genuine MAC with its unused bits set (A17)", async () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(mac.slice(-1));
    for (const unused of [1, 2, 3]) {
      const twin = mac.slice(0, -1) + alphabet[last | unused];
      // Tolerant decoders see the same bytes.
      expect(Buffer.from(twin, "base64url")).to.deep.equal(Buffer.from(mac, "base64url"));
      await refused(genuine.cookie.replace(mac, twin));
    }
  });

  it("refuses a genuine MAC in the standard base64 alphabet (A17)", async () => {
    // Three MACs in four have one of the two characters that differ.
    let { cookie } = genuine;
    while (!/[-_]/.test(cookie.slice(-43))) ({ cookie } = await openSession(app.client));
    await validate(app.client, cookie);
    const standard = cookie.slice(-43).replaceAll("-", "+").replaceAll("_", "/");
    await refused(cookie.slice(0, -43) + standard);
  });

  it("refuses a cookie with any one bit of the MAC's bytes flipped (A03)", async () => {
    const bytes = Buffer.from(mac, "base64url");
    const flipped = Array.from({ length: 8 * bytes.length }, (_, bit) => {
      const other = Buffer.from(bytes);
      const at = bit >> 3;
      other.writeUInt8(other.readUInt8(at) ^ (1 << (bit & 7)), at);
      return `v1.${genuine.id}.${keyId}.${other.toString("base64url")}`;
    });
    expect(flipped).to.have.length(256);
    await withoutTrace(app, () =>
      inParallel(16, flipped, async (cookie) => {
        expect(parseCookie(cookie), "its form is right").not.to.equal(undefined);
        await expectFailure(validate(app.client, cookie), "INVALID_COOKIE");
      }),
    );
  });

  it("refuses a cookie with any one bit of any character flipped (A03, A04, A05)", async () => {
    const { cookie } = genuine;
    const flipped: string[] = [];
    for (let index = 0; index < cookie.length; index += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const character = String.fromCharCode(cookie.charCodeAt(index) ^ (1 << bit));
        flipped.push(cookie.slice(0, index) + character + cookie.slice(index + 1));
      }
    }
    // A key id that is still one, but of no key, has its own reason (A09).
    const isOfAnotherKey = (value: string) =>
      /^v1\.ses-[0-9a-f]{44}\.sk-[0-9a-f]{32}\.[\w-]{43}$/.test(value) && !value.includes(keyId);

    // Not all at once: those of another key wait for the database, with a time limit.
    await withoutTrace(app, () =>
      inParallel(16, flipped, (value) =>
        expectFailure(
          validate(app.client, value),
          isOfAnotherKey(value) ? "SIGNING_KEY_NOT_FOUND" : "INVALID_COOKIE",
        ),
      ),
    );
    expect(flipped).to.have.lengthOf(8 * (2 + 1 + 48 + 1 + 35 + 1 + 43));
  });

  it("refuses another session's id or another key's id under the same MAC (A04)", async () => {
    const other = await openSession(app.client);
    await refused(`v1.${other.id}.${keyId}.${mac}`);
    await refused(`v1.${genuine.id}.${await foreignKeyId()}.${mac}`);
  });

  it("refuses a cookie whose boundary between the ids was moved (A12)", async () => {
    const { id, cookie } = genuine;
    await refused(`v1.${id.slice(0, -1)}.${id.slice(-1)}${keyId}.${mac}`);
    await refused(`v1.${id}${keyId.slice(0, 1)}.${keyId.slice(1)}.${mac}`);
    await refused(`${cookie.slice(0, 40)}.${cookie.slice(40)}`);
  });

  it("refuses a MAC by the right key over any other input (A12)", async () => {
    const { id } = genuine;
    const inputs = [
      `${id}${keyId}`,
      `${id}.${keyId}`,
      `v1.${id}.${keyId}`,
      `${id.length + 1}:${id}:${keyId.length - 1}:${keyId}`,
    ];
    for (const input of inputs) await refused(forgeCookie(id, keyId, secret, input));
    // The control: the same key over the documented input makes the genuine cookie.
    expect(forgeCookie(id, keyId, secret)).to.equal(genuine.cookie);
  });

  it("refuses a MAC by the right key but another algorithm (A17)", async () => {
    for (const algorithm of ["sha1", "sha224", "sha512", "sha512-256", "sha3-256", "md5"]) {
      const input = lengthPrefixed(genuine.id, keyId);
      const other = createHmac(algorithm, secret).update(input).digest("base64url");
      await refused(`v1.${genuine.id}.${keyId}.${other}`);
    }
  });

  it("refuses a genuine MAC of a session without a row (ASVS 7.2.1)", async () => {
    const missing = `ses-${randomBytes(22).toString("hex")}`;
    await refused(forgeCookie(missing, keyId, secret));
  });

  it("refuses a genuine MAC by another tenant's key (ASVS 8.4.1, CVE-2026-32131)", async () => {
    const foreign = await foreignKeyId();
    await refused(forgeCookie(genuine.id, foreign, await signingSecret(app.sql, foreign)));
  });

  for (const [what, character] of Object.entries({ letters: "a", dots: ".", NULs: "\0" })) {
    it(`refuses a cookie of ${what} of any length up to 1 MiB (A17)`, async () => {
      await withoutTrace(app, async () => {
        const { client } = largeMessages;
        for (const length of [1, 2, 100, 4096, 65_536, 1_048_576]) {
          const cookie = character.repeat(length);
          await expectFailure(validate(client, cookie), "INVALID_COOKIE");
          const header = { case: "cookieHeader", value: `__Host-session=${cookie}` } as const;
          await expectFailure(client.validate({ credential: header }), "INVALID_COOKIE");
        }
        const tooLarge = validate(app.client, character.repeat(1_048_576));
        await expectFailure(tooLarge, "REQUEST_TOO_LARGE");
      });
    });
  }
});
