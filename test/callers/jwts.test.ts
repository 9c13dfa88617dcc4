import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { mock } from "node:test";
import tls from "node:tls";
import { expect } from "chai";
import {
  base64url,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { KeysUnavailableError } from "../../src/callers/caller.ts";
import { createCallerAuthentication } from "../../src/callers/caller-authentication.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import {
  type CallerClient,
  clientOf,
  createTestFile,
  line,
  type TestFile,
  withToken,
} from "../support/callers.ts";
import { createAuthority, LOCAL_NAMES } from "../support/certificate-authority.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { until } from "../support/until.ts";

const ISSUER = "https://kubernetes.default.svc.cluster.local";
const AUDIENCE = "sessiond";
const SUBJECT = "system:serviceaccount:shop:web";
const unknownCookie = { credential: { case: "cookie", value: "x" } } as const;

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly pair: KeyPair;
}

async function newKey(kid: string, alg = "RS256"): Promise<SigningKey> {
  return { kid, alg, pair: await generateKeyPair(alg, { extractable: true }) };
}

async function setOf(...keys: readonly SigningKey[]): Promise<string> {
  const list = keys.map(async ({ kid, alg, pair }) => ({
    ...(await exportJWK(pair.publicKey)),
    kid,
    alg,
    use: "sig",
  }));
  return JSON.stringify({ keys: await Promise.all(list) });
}

const now = () => Math.floor(Date.now() / 1000);

type Claims = { [Name in keyof JWTPayload]: JWTPayload[Name] | undefined };

/** Claims as a Kubernetes service account has them. A claim that is undefined is left out. */
function sign(
  { kid, alg, pair }: SigningKey,
  claims: Claims = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({
    iss: ISSUER,
    aud: [AUDIENCE],
    sub: SUBJECT,
    iat: now(),
    nbf: now(),
    exp: now() + 600,
    ...claims,
  } as JWTPayload)
    .setProtectedHeader({ alg, kid, ...header })
    .sign(pair.privateKey);
}

const lines = [
  line({ name: "shop", jwt_subject: "system:serviceaccount:shop:*" }),
  line({ name: "gateway", role: "validator", jwt_subject: "spiffe://example.org/gw/*" }),
];

describe("callers with JWTs (F01)", () => {
  let key: SigningKey;
  let other: SigningKey;
  let callers: TestFile;
  let keys: TestFile;
  let app: TestApp;
  const clients: CallerClient[] = [];

  before(async () => {
    [key, other] = await Promise.all([newKey("one"), newKey("two", "ES256")]);
    callers = await createTestFile(...lines);
    keys = await createTestFile(await setOf(key));
    app = await startTestApp({ env: env(keys.path) });
  });
  beforeEach(async () => {
    await callers.write(...lines);
    await keys.write(await setOf(key));
    await app.app.readFiles();
  });
  afterEach(() => {
    for (const { close } of clients.splice(0)) close();
  });
  after(async () => {
    await app.stop();
    await callers.remove();
    await keys.remove();
  });

  function env(jwks: string): Record<string, string> {
    return {
      SESSIOND_CALLERS_FILE: callers.path,
      SESSIOND_JWT_JWKS: jwks,
      SESSIOND_JWT_ISSUER: ISSUER,
      SESSIOND_JWT_AUDIENCE: AUDIENCE,
    };
  }

  function validateWith(token: string, url = app.url): Promise<unknown> {
    const caller = clientOf(url, withToken(token));
    clients.push(caller);
    return caller.client.validate(unknownCookie);
  }

  const accepted = async (token: string | Promise<string>, url?: string) =>
    await expectFailure(validateWith(await token, url), "INVALID_COOKIE");
  const refused = async (token: string | Promise<string>, url?: string) =>
    await expectFailure(validateWith(await token, url), "CALLER_UNAUTHENTICATED");

  it("are accepted as Kubernetes service accounts and as SPIFFE JWT-SVIDs", async () => {
    await accepted(sign(key));
    await accepted(sign(key, { aud: AUDIENCE, sub: "spiffe://example.org/gw/a" }, { typ: "JOSE" }));
    const gateway = clientOf(
      app.url,
      withToken(await sign(key, { sub: "spiffe://example.org/gw/a", nbf: undefined })),
    );
    clients.push(gateway);
    await expectFailure(gateway.client.create({}), "CALLER_FORBIDDEN");
  });

  it("are accepted again and again, and over Connect", async () => {
    const token = await sign(key);
    const caller = clientOf(app.url, withToken(token));
    clients.push(caller);
    for (let call = 0; call < 3; call++) {
      await expectFailure(caller.client.validate(unknownCookie), "INVALID_COOKIE");
    }
    const response = await fetch(`${app.url}/sessiond.v1.SessionService/Validate`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: "{}",
    });
    expect(await response.text()).to.include("session cookie");
  });

  const wrongClaims: [string, Claims][] = [
    ["another audience", { aud: "payments" }],
    ["no audience", { aud: undefined }],
    ["the audience as a part", { aud: [`${AUDIENCE}-test`] }],
    ["another issuer", { iss: `${ISSUER}.evil.test` }],
    ["no issuer", { iss: undefined }],
    ["an expiry in the past", { exp: now() - 60 }],
    ["no expiry", { exp: undefined }],
    ["an expiry that is text", { exp: "9999999999" as unknown as number }],
    ["a time that has not come", { nbf: now() + 600 }],
    ["another subject", { sub: "system:serviceaccount:other:web" }],
    ["no subject", { sub: undefined }],
    ["an empty subject", { sub: "" }],
    ["a subject that is a list", { sub: [SUBJECT] as unknown as string }],
  ];
  for (const [what, claims] of wrongClaims) {
    it(`are refused with ${what}`, async () => {
      await refused(sign(key, claims));
    });
  }

  it("may have a clock that differs by seconds, not by more", async () => {
    await accepted(sign(key, { nbf: now() + 3, exp: now() + 600 }));
    await refused(sign(key, { nbf: now() + 60 }));
  });

  it("are refused with the signature of another key, of the same id", async () => {
    await refused(sign(await newKey("one")));
  });

  it("are refused with an unknown key id", async () => {
    await refused(sign({ ...key, kid: "three" }));
  });

  it("are refused with a changed byte, in each part", async () => {
    const token = await sign(key);
    for (const [index, part] of token.split(".").entries()) {
      const position = token.split(".").slice(0, index).join(".").length + (index ? 1 : 0);
      const at = position + Math.floor(part.length / 2);
      const changed = `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
      await refused(changed);
    }
  });

  it("are refused without a signature", async () => {
    const payload = { iss: ISSUER, aud: AUDIENCE, sub: SUBJECT, exp: now() + 600 };
    await refused(new UnsecuredJWT(payload).encode());
    const [header = "", claims = ""] = (await sign(key)).split(".");
    await refused(`${header}.${claims}.`);
    for (const alg of ["none", "None", "NONE", "nOnE"]) {
      await refused(`${base64url.encode(JSON.stringify({ alg, kid: "one" }))}.${claims}.`);
    }
  });

  it("are refused with HS256 and the public key as the secret", async () => {
    const secrets = [await exportSPKI(key.pair.publicKey), await setOf(key)];
    for (const secret of secrets) {
      const forged = new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: SUBJECT, exp: now() + 600 })
        .setProtectedHeader({ alg: "HS256", kid: "one" })
        .sign(Buffer.from(secret));
      await refused(forged);
    }
  });

  it("are refused with an algorithm that is not set, although the key is known", async () => {
    const ps = await newKey("ps", "PS256");
    await keys.write(await setOf(key, ps));
    await app.app.readFiles();
    await refused(sign(ps));
    await accepted(sign(key));
  });

  it("are refused with a key of their own", async () => {
    const jwk = await exportJWK(other.pair.publicKey);
    await refused(sign(other, {}, { jwk }));
    await refused(sign(other, {}, { jku: "https://evil.test/keys", kid: "one" }));
  });

  it("follow the file of keys, also those that were accepted before", async () => {
    const [before, after] = [await sign(key), await sign(other)];
    await accepted(before);
    await refused(after);
    await keys.write(await setOf(other));
    await app.app.readFiles();
    await refused(before);
    await accepted(after);
  });

  it("follow the callers file, also those that were accepted before", async () => {
    const token = await sign(key);
    await accepted(token);
    await callers.write(line({ name: "shop", jwt_subject: "system:serviceaccount:shop:other" }));
    await app.app.readFiles();
    await refused(token);
  });

  it("prevent the start with a file of keys that are not public, or with none", async () => {
    const startWith = async (text: string) => {
      const file = await createTestFile(text);
      const started = startReplica(app.database.url, { env: env(file.path) });
      const message = await started.then(
        (replica) => replica.stop().then(() => "started"),
        (error: Error) => error.message,
      );
      await file.remove();
      return message;
    };
    const jwk = await exportJWK(key.pair.privateKey);
    const privateSet = JSON.stringify({ keys: [jwk] });
    expect(await startWith(privateSet)).to.match(/key 1 is not a public key$/);
    expect(await startWith('{"keys":[{"kty":"oct","k":"AAAA"}]}')).to.match(/not a public key$/);
    expect(await startWith('{"keys":[]}')).to.match(/it has no list of keys$/);
    expect(await startWith("secret")).to.match(/cannot be used: it is not JSON$/);
  });

  describe("with the keys at a URL", () => {
    const authority = createAuthority();
    const defaults = tls.getCACertificates("default");
    let server: Server;
    let url: string;
    let served: string;
    let status: number;
    let requests: number;
    /** Answers wait for it. */
    let held: Promise<void> | undefined;

    before(async () => {
      tls.setDefaultCACertificates([...defaults, authority.certificate]);
      const { certificate, key } = authority.issue({ san: LOCAL_NAMES });
      server = createServer({ cert: certificate, key }, async (_req, res) => {
        requests += 1;
        await held;
        res.writeHead(status, { connection: "close" }).end(served);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      url = `https://localhost:${(server.address() as AddressInfo).port}/keys`;
    });
    after(() => {
      tls.setDefaultCACertificates(defaults);
      server.close();
    });
    beforeEach(async () => {
      [served, status, requests, held] = [await setOf(key), 200, 0, undefined];
    });
    afterEach(() => mock.restoreAll());

    it("are accepted with one request for all, also if the server fails afterwards", async () => {
      const replica = await startReplica(app.database.url, { env: env(url) });
      try {
        await Promise.all([accepted(sign(key), replica.url), accepted(sign(key), replica.url)]);
        expect(requests).to.equal(1);
        status = 500;
        await accepted(sign(key, { jti: "another" }), replica.url);
        await refused(sign({ ...key, kid: "three" }), replica.url);
        expect(requests, "an unknown key id within the cooldown").to.equal(1);
      } finally {
        await replica.stop();
      }
    });

    it("are UNAVAILABLE, not UNAUTHENTICATED, until the keys are there, with one error in the log", async () => {
      const errors: string[] = [];
      const onLog = (text: string) => {
        const { level, msg } = JSON.parse(text);
        if (level >= 50) errors.push(msg);
      };
      const replica = await startReplica(app.database.url, { env: env(url), onLog });
      try {
        status = 503;
        const unavailable = await sign(key);
        await expectFailure(validateWith(unavailable, replica.url), "CALLER_KEYS_UNAVAILABLE");
        // A second request within a second is not made.
        await expectFailure(validateWith(unavailable, replica.url), "CALLER_KEYS_UNAVAILABLE");
        expect(requests).to.be.at.most(2);
        expect(errors).to.deep.equal(["the keys that verify JWTs are not available: calls fail"]);
      } finally {
        await replica.stop();
      }
    });

    /** With a clock of its own, which begins now. */
    async function withClock() {
      let wall = Date.now();
      let clock = 0;
      const errors: unknown[] = [];
      const authentication = await createCallerAuthentication({
        config: {
          file: callers.path,
          certificates: false,
          jwt: {
            jwks: new URL(url),
            issuer: ISSUER,
            audience: AUDIENCE,
            algorithms: ["RS256", "ES256"],
          },
        },
        events: { onChange() {}, onError: (_file, error) => errors.push(error) },
        now: () => wall,
        clock: () => clock,
      });
      const peer = { address: "", network: "", connection: 1, certificate: undefined };
      return {
        authentication,
        errors,
        correctTime(ms: number) {
          wall += ms;
        },
        pass(ms: number) {
          wall += ms;
          clock += ms;
        },
        identify: async (token: string) =>
          (
            await authentication.identify({
              rawHeaders: ["Authorization", `Bearer ${token}`],
              peer,
            })
          ).name,
      };
    }

    it("recover a second after a failure", async () => {
      const test = await withClock();
      const token = await sign(key);
      status = 500;
      const outcome = () => test.identify(token).catch((error: unknown) => error);
      expect(await outcome()).to.be.instanceOf(KeysUnavailableError);
      status = 200;
      test.pass(999);
      expect(await outcome()).to.be.instanceOf(KeysUnavailableError);
      expect(requests).to.equal(1);
      test.pass(1);
      expect(await outcome()).to.equal("shop");
      await test.authentication[Symbol.asyncDispose]();
    });

    it("are fetched again after a failure although the time of day was corrected meanwhile", async () => {
      const test = await withClock();
      const token = await sign(key);
      status = 500;
      const outcome = () => test.identify(token).catch((error: unknown) => error);
      expect(await outcome()).to.be.instanceOf(KeysUnavailableError);
      status = 200;
      test.pass(1000);
      test.correctTime(-1000);
      expect(await outcome()).to.equal("shop");
      await test.authentication[Symbol.asyncDispose]();
    });

    it("are refreshed in the background, and stay in use if that fails", async () => {
      const test = await withClock();
      const claims = { exp: now() + 86_400 };
      await test.identify(await sign(key, claims));
      test.pass(539_999);
      await test.identify(await sign(key, { ...claims, jti: "2" }));
      expect(requests).to.equal(1);
      test.pass(1);
      status = 500;
      expect(await test.identify(await sign(key, { ...claims, jti: "3" }))).to.equal("shop");
      await until("the failure is reported", async () => test.errors.length === 1);
      expect(requests).to.equal(2);
      await test.authentication[Symbol.asyncDispose]();
    });

    it("follow a rotation of the issuer, and a key that it withdraws", async () => {
      const test = await withClock();
      const claims = { exp: now() + 86_400 };
      const old = await sign(key, claims);
      await test.identify(old);
      served = await setOf(other);
      test.pass(540_000);
      await test.identify(await sign(key, { ...claims, jti: "2" }));
      const next = await sign(other, claims);
      await until(
        "the new key is known",
        async () => (await test.identify(next).catch(() => "")) !== "",
      );
      // It is not even remembered by now.
      expect(await test.identify(old).catch((error: Error) => error.message)).to.match(
        /NO_MATCHING/,
      );
      await test.authentication[Symbol.asyncDispose]();
    });

    it("wait for new keys when no JWT was verified for long, and share the request", async () => {
      const test = await withClock();
      const claims = { exp: now() + 86_400 };
      await test.identify(await sign(key, claims));
      served = await setOf(other);
      test.pass(600_000);
      const outcomes = ["2", "3", "4"].map(async (jti) => {
        const token = await sign(key, { ...claims, jti });
        return test.identify(token).catch((error: Error) => error.message);
      });
      for (const outcome of await Promise.all(outcomes)) expect(outcome).to.match(/NO_MATCHING/);
      expect(await test.identify(await sign(other, claims))).to.equal("shop");
      expect(requests).to.equal(2);
      await test.authentication[Symbol.asyncDispose]();
    });

    it("stay in use when no JWT was verified for long and the server fails, with one report", async () => {
      const test = await withClock();
      const claims = { exp: now() + 86_400 };
      await test.identify(await sign(key, claims));
      status = 500;
      test.pass(3_600_000);
      const identified = ["2", "3", "4"].map(async (jti) =>
        test.identify(await sign(key, { ...claims, jti })),
      );
      expect(await Promise.all(identified)).to.deep.equal(["shop", "shop", "shop"]);
      expect(test.errors.map(String)).to.deep.equal(["Error: the answer has the status 500"]);
      expect(requests).to.equal(2);
      await test.authentication[Symbol.asyncDispose]();
    });

    it("are not replaced by an answer that is no set of public keys", async () => {
      const test = await withClock();
      const claims = { exp: now() + 86_400 };
      await test.identify(await sign(key, claims));
      const privateSet = JSON.stringify({ keys: [await exportJWK(key.pair.privateKey)] });
      const answers = ["<html>maintenance</html>", "{}", '{"keys":[]}', privateSet];
      test.pass(600_000);
      for (const [index, answer] of answers.entries()) {
        served = answer;
        expect(await test.identify(await sign(key, { ...claims, jti: `${index}` }))).to.equal(
          "shop",
        );
        expect(requests, answer).to.equal(index + 2);
        // The failure counts: within 30 seconds there is no further request.
        test.pass(29_999);
        await test.identify(await sign(key, { ...claims, jti: `${index} again` }));
        expect(requests, answer).to.equal(index + 2);
        test.pass(1);
      }
      expect(test.errors.map(String)).to.deep.equal([
        "Error: it is not JSON",
        "Error: it has no list of keys",
        "Error: it has no list of keys",
        "Error: key 1 is not a public key",
      ]);
      served = await setOf(key);
      await test.identify(await sign(key, { ...claims, jti: "last" }));
      expect(test.errors).to.have.length(4);
      await test.authentication[Symbol.asyncDispose]();
    });

    it("are fetched at most every 30 seconds for an unknown key id, also while that fails", async () => {
      const test = await withClock();
      const claims = { exp: now() + 86_400 };
      await test.identify(await sign(key, claims));
      const unknown = await sign({ ...key, kid: "three" }, claims);
      const refused = async () => await test.identify(unknown).catch((error: Error) => error);
      [served, status] = ["<html>", 200];
      // The cooldown after a success is by jose's clock.
      const later = Date.now() + 60_000;
      mock.method(Date, "now", () => later);
      test.pass(60_000);
      expect(await refused()).to.be.instanceOf(KeysUnavailableError);
      expect(await refused()).to.be.instanceOf(KeysUnavailableError);
      test.pass(29_999);
      expect(await refused()).to.be.instanceOf(KeysUnavailableError);
      expect(requests).to.equal(2);
      test.pass(1);
      expect(await refused()).to.be.instanceOf(KeysUnavailableError);
      expect(requests).to.equal(3);
      await test.authentication[Symbol.asyncDispose]();
    });

    it("are verified once for all calls at the same time, and anew after a change of the file", async () => {
      const { authentication } = await withClock();
      const rawHeaders = ["authorization", `Bearer ${await sign(key)}`];
      const peer = { address: "", network: "", connection: 1, certificate: undefined };
      const identify = () => authentication.identify({ rawHeaders, peer });
      const answer = Promise.withResolvers<void>();
      held = answer.promise;
      const first = identify();
      expect(first).to.be.instanceOf(Promise);
      expect(identify()).to.equal(first);

      await callers.write(line({ name: "web", jwt_subject: SUBJECT }));
      await authentication.check();
      const next = identify();
      expect(next).not.to.equal(first);
      expect(identify()).to.equal(next);
      answer.resolve();
      await first;
      expect(await next).to.have.property("name", "web");
      expect(identify(), "it is remembered").to.have.property("name", "web");
      await authentication[Symbol.asyncDispose]();
    });

    it("are remembered until they expire, to the second, but not for more than a minute", async () => {
      const test = await withClock();
      const token = await sign(key, { exp: now() + 30 });
      expect(await test.identify(token)).to.equal("shop");
      // At once: it is not verified again.
      const rawHeaders = ["authorization", `Bearer ${token}`];
      const peer = { address: "", network: "", connection: 1, certificate: undefined };
      expect(test.authentication.identify({ rawHeaders, peer })).to.have.property("name", "shop");
      test.pass(36_000);
      const error = await test.identify(token).catch((error: Error) => error.message);
      expect(error).to.match(/ERR_JWT_EXPIRED/);
      const long = await sign(key, { exp: now() + 86_400 });
      expect(await test.identify(long)).to.equal("shop");
      test.pass(60_000);
      const again = { rawHeaders: ["authorization", `Bearer ${long}`], peer };
      expect(test.authentication.identify(again)).to.be.instanceOf(Promise);
      await test.authentication[Symbol.asyncDispose]();
    });
  });
});
