import { createHmac, randomBytes } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import { newActor, newTenant, type OpenedSession, openSession } from "../support/actors.ts";
import { type Replica, type SessionClient, startReplica } from "../support/app.ts";
import {
  type BadInput,
  type BadInputApp,
  itRefuses,
  startBadInputApp,
  withoutTrace,
} from "../support/bad-input.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { inParallel } from "../support/in-parallel.ts";
import { malformedCookies } from "../support/malformed-cookies.ts";
import { forgeCookie, signingSecret } from "../support/signing-keys.ts";

const invalid = {
  reason: "INVALID_COOKIE",
  message: "the session cookie is missing or not valid",
} as const;

describe("bad input: cookies", () => {
  let app: BadInputApp;
  let roomy: Replica;
  let session: OpenedSession;
  let preLogin: string;

  before(async () => {
    app = await startBadInputApp();
    roomy = await startReplica(app.database.url, { env: { SESSIOND_MAX_MESSAGE_BYTES: "4MiB" } });
    session = await openSession(app.client);
    preLogin = (await app.client.create({ preLogin: true })).cookie;
  });
  after(async () => {
    await roomy?.stop();
    await app.stop();
  });

  const validating = (client: SessionClient, value: string) =>
    client.validate({ credential: { case: "cookie", value } });

  itRefuses(
    () => app,
    Object.entries(malformedCookies).map(([what, change]) => ({
      what: `A17: a cookie ${what}`,
      call: (client) => validating(client, change(session.cookie)),
      ...invalid,
    })),
  );

  itRefuses(
    () => app,
    [
      {
        what: "D05: a request without a cookie",
        call: (client) => client.validate({}),
        ...invalid,
      },
      {
        what: "A09: a cookie with a key id that no key has",
        call: (client) => {
          const keyId = `sk-${randomBytes(16).toString("hex")}`;
          return validating(client, session.cookie.replace(/sk-\w+/, keyId));
        },
        reason: "SIGNING_KEY_NOT_FOUND",
        message: "the session cookie names a signing key that does not exist",
      },
    ],
  );

  it("A03, A04, A05: a genuine cookie with any one bit of any byte flipped is refused", async () => {
    const { cookie } = session;
    const flipped: string[] = [];
    for (let index = 0; index < cookie.length; index += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const character = String.fromCharCode(cookie.charCodeAt(index) ^ (1 << bit));
        flipped.push(cookie.slice(0, index) + character + cookie.slice(index + 1));
      }
    }
    const keyId = cookie.split(".")[2] as string;
    // A key id that is still one, but of no key, is told apart (A09).
    const isOfAnotherKey = (value: string) =>
      /^v1\.ses-[0-9a-f]{44}\.sk-[0-9a-f]{32}\.[\w-]{43}$/.test(value) && !value.includes(keyId);

    // Not all at once: those of another key wait for the database, and not for long.
    await withoutTrace(app, () =>
      inParallel(16, flipped, (value) =>
        expectFailure(
          validating(app.client, value),
          isOfAnotherKey(value) ? "SIGNING_KEY_NOT_FOUND" : "INVALID_COOKIE",
        ),
      ),
    );
    expect(flipped).to.have.lengthOf(8 * (2 + 1 + 48 + 1 + 35 + 1 + 43));
    // The control: what has been flipped was good.
    expect((await validating(app.client, cookie)).session?.id).to.equal(session.id);
  });

  it("ASVS 7.2.1: a genuine signature without a row is refused", async () => {
    const keyId = session.cookie.split(".")[2] ?? "";
    const secret = await signingSecret(app.sql, keyId);
    const missing = forgeCookie(`ses-${randomBytes(22).toString("hex")}`, keyId, secret);

    await withoutTrace(app, () => expectFailure(validating(app.client, missing), "INVALID_COOKIE"));
    // The control: the same forgery of an id that has a row is as good as the cookie itself.
    const copied = forgeCookie(session.id, keyId, secret);
    expect(copied).to.equal(session.cookie);
  });

  it("ZITADEL CVE-2026-32131: a genuine signature by another tenant's key is refused", async () => {
    const tenantId = newTenant();
    const foreign = await openSession(app.client, { actor: newActor({ tenantId }) });
    const foreignKeyId = foreign.cookie.split(".")[2] ?? "";
    const secret = await signingSecret(app.sql, foreignKeyId);
    const crossed = forgeCookie(session.id, foreignKeyId, secret);

    await withoutTrace(app, () => expectFailure(validating(app.client, crossed), "INVALID_COOKIE"));
  });

  it("A12: a genuine MAC of the ids run together, or with their boundary slid, is refused", async () => {
    const [, sessionId = "", keyId = ""] = session.cookie.split(".");
    const secret = await signingSecret(app.sql, keyId);
    const inputs = [
      `${sessionId}${keyId}`,
      `${sessionId}.${keyId}`,
      `v1.${sessionId}.${keyId}`,
      `${sessionId.length + 1}:${sessionId}:${keyId.length - 1}:${keyId}`,
    ];
    for (const input of inputs) {
      const forged = forgeCookie(sessionId, keyId, secret, input);
      await expectFailure(validating(app.client, forged), "INVALID_COOKIE");
    }
    const [head, tail] = [session.cookie.slice(0, 40), session.cookie.slice(40)];
    await expectFailure(validating(app.client, `${head}.${tail}`), "INVALID_COOKIE");
  });

  it("A17: a MAC of another algorithm or length by the right key is refused", async () => {
    const [, sessionId = "", keyId = ""] = session.cookie.split(".");
    const secret = await signingSecret(app.sql, keyId);
    const input = `${sessionId.length}:${sessionId}:${keyId.length}:${keyId}`;
    for (const algorithm of ["sha1", "sha224", "sha512", "sha512-256", "sha3-256", "md5"]) {
      const mac = createHmac(algorithm, secret).update(input).digest("base64url");
      const cookie = `v1.${sessionId}.${keyId}.${mac}`;
      await expectFailure(validating(app.client, cookie), "INVALID_COOKIE");
    }
  });

  for (const [what, character] of Object.entries({ letters: "a", dots: ".", NULs: "\0" })) {
    it(`A17: a cookie of any length up to 1 MB of ${what} is refused`, async () => {
      await withoutTrace(app, async () => {
        for (const length of [1, 2, 100, 4096, 65_536, 1_048_576]) {
          const cookie = character.repeat(length);
          await expectFailure(validating(roomy.client, cookie), "INVALID_COOKIE");
          const header = { case: "cookieHeader", value: `__Host-session=${cookie}` } as const;
          await expectFailure(roomy.client.validate({ credential: header }), "INVALID_COOKIE");
        }
        const call = validating(app.client, character.repeat(1_048_576));
        expect((await failureOf(call)).code).to.equal(Code.ResourceExhausted);
      });
    });
  }

  const headers: Record<string, (cookie: string) => string> = {
    "that is empty": () => "",
    "without the cookie": () => "theme=dark; lang=en",
    "with an empty cookie": () => "__Host-session=",
    "with the same name twice (cookie tossing)": (c) => `__Host-session=${c}; __Host-session=${c}`,
    "with another value first": (c) => `__Host-session=x; __Host-session=${c}`,
    "with another value last": (c) => `__Host-session=${c}; __Host-session=x`,
    "with the name twice, once empty": (c) => `__Host-session=; __Host-session=${c}`,
    "with the name in lower case": (c) => `__host-session=${c}`,
    "with the name in upper case": (c) => `__HOST-SESSION=${c}`,
    "with the name without prefix": (c) => `session=${c}`,
    "with a longer prefix": (c) => `__Host-__Host-session=${c}`,
    "with the name percent-encoded": (c) => `__Host%2Dsession=${c}`,
    "with the prefix of another kind": (c) => `__Secure-session=${c}`,
    "without a name": (c) => c,
    "with an empty name": (c) => `=${c}`,
    "with the value in quotes": (c) => `__Host-session="${c}"`,
    "with the value percent-encoded": (c) => `__Host-session=${c.replaceAll(".", "%2E")}`,
    "with commas between cookies": (c) => `a=b, __Host-session=${c}`,
    "with the name inside a value": (c) => `a=__Host-session=${c}`,
    // Another name to a browser, so that a neighbouring host may set it in spite of the prefix.
    "with a no-break space before the name": (c) => `\u00a0__Host-session=${c}`,
    "with an en quad before the name": (c) => `\u2000__Host-session=${c}`,
    "with an ideographic space before the name": (c) => `\u3000__Host-session=${c}`,
    "with a byte-order mark before the name": (c) => `\ufeff__Host-session=${c}`,
    "with a vertical tab before the name": (c) => `\v__Host-session=${c}`,
    "with a no-break space after the name": (c) => `__Host-session\u00a0=${c}`,
    "with CRLF after the value": (c) => `__Host-session=${c}\r\n`,
    "with NUL in the name": (c) => `__Host-session\0=${c}`,
    "with the pre-login cookie": () => `__Host-prelogin=${preLogin}`,
    "of 20,000 semicolons": () => ";".repeat(20_000),
  };
  itRefuses(
    () => app,
    Object.entries(headers).map(
      ([what, header]): BadInput => ({
        what: `A17: a Cookie header ${what}`,
        call: (client) => {
          const value = header(session.cookie);
          return client.validate({ credential: { case: "cookieHeader", value } });
        },
        ...invalid,
      }),
    ),
  );

  const goodHeaders: Record<string, (cookie: string) => string> = {
    alone: (c) => `__Host-session=${c}`,
    "between others": (c) => `a=b; __Host-session=${c}; c=d`,
    "beside one whose name only looks like it": (c) => `__host-session=x; __Host-session=${c}`,
    "without blanks": (c) => `a=b;__Host-session=${c};`,
    "with blanks all around": (c) => ` \t__Host-session \t=  ${c}  `,
  };
  for (const [what, header] of Object.entries(goodHeaders)) {
    it(`A17: a genuine cookie in a Cookie header is found ${what}`, async () => {
      const value = header(session.cookie);
      const found = await app.client.validate({ credential: { case: "cookieHeader", value } });
      expect(found.session?.id).to.equal(session.id);
    });
  }
});
