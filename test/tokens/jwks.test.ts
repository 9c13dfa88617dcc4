import http2 from "node:http2";
import { expect } from "chai";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { JWKS_PATH } from "../../src/token-keys.ts";
import { openSession } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { expectFailure } from "../support/expect-failure.ts";
import {
  fetchJwks,
  ISSUER,
  publishedKids,
  TOKENS_ENV,
  tokenFor,
  validateForToken,
} from "../support/tokens.ts";
import { until } from "../support/until.ts";

const withTokens = { env: TOKENS_ENV };

/** A GET over HTTP/2. */
async function getOverHttp2(url: string, method = "GET") {
  const session = http2.connect(url);
  try {
    const stream = session.request({ ":path": JWKS_PATH, ":method": method });
    const headers = new Promise<http2.IncomingHttpHeaders>((resolve) => {
      stream.on("response", resolve);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return { headers: await headers, body: Buffer.concat(chunks).toString() };
  } finally {
    session.close();
  }
}

describe("JSON Web Key Set", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp(withTokens);
  });
  after(() => app?.stop());

  it("is served over HTTP/1.1 and HTTP/2 to everybody, as JSON that may be kept for a minute (H03)", async () => {
    const response = await fetch(`${app.url}${JWKS_PATH}?x=1`, {
      headers: { origin: "https://elsewhere.example" },
    });
    expect(response.status).to.equal(200);
    expect(Object.fromEntries(response.headers)).to.include({
      "content-type": "application/jwk-set+json",
      "cache-control": "public, max-age=60",
      "x-content-type-options": "nosniff",
    });
    const set = await response.json();
    const over2 = await getOverHttp2(app.url);
    expect(over2.headers).to.include({
      ":status": 200,
      "content-type": "application/jwk-set+json",
    });
    expect(JSON.parse(over2.body)).to.deep.equal(set);
    const head = await getOverHttp2(app.url, "HEAD");
    expect([head.headers[":status"], head.body]).to.deep.equal([200, ""]);
    const post = await fetch(`${app.url}${JWKS_PATH}`, { method: "POST" });
    expect(post.status).to.equal(404);
  });

  it("has public keys only (H03, H08)", async () => {
    const { keys } = await fetchJwks(app.url);
    expect(keys).to.have.length(1);
    const [key] = keys;
    expect(Object.keys(key ?? {})).to.have.members([
      ...["kty", "crv", "x", "y", "kid", "alg", "use"],
    ]);
  });

  it("verifies tokens with jose's createRemoteJWKSet, also those of a key that is new to it (H03)", async () => {
    const { cookie } = await openSession(app.client);
    const jwks = createRemoteJWKSet(new URL(`${app.url}${JWKS_PATH}`), { cooldownDuration: 0 });
    const rules = { issuer: ISSUER, audience: "orders", typ: "sessiond+jwt" };
    const first = await jwtVerify(await tokenFor(app.client, cookie), jwks, rules);
    await app.client.rotateTokenKey({ actingActorId: "root", immediately: true });
    const second = await jwtVerify(await tokenFor(app.client, cookie), jwks, rules);
    expect(second.protectedHeader.kid).not.to.equal(first.protectedHeader.kid);
    const forged = `${(await tokenFor(app.client, cookie)).slice(0, -4)}AAAA`;
    const error = await jwtVerify(forged, jwks, rules).catch((thrown: unknown) => thrown);
    expect(error).to.have.property("code", "ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
  });

  describe("in an outage of the database", () => {
    let proxy: DatabaseProxy;
    let replica: Replica;
    before(async () => {
      proxy = await startDatabaseProxy(app.database.url);
      replica = await startReplica(proxy.url, {
        env: { ...TOKENS_ENV, SESSIOND_METRICS_PORT: "0" },
      });
    });
    after(async () => {
      proxy?.restore();
      await replica?.stop();
      await proxy?.close();
    });

    it("is the last one that was read, while no session gets a token (H03)", async () => {
      const { cookie } = await openSession(replica.client);
      await tokenFor(replica.client, cookie);
      const before = await fetchJwks(replica.url);
      proxy.refuse();
      // A cached token is no way around the row.
      await expectFailure(validateForToken(replica.client, cookie), "STORAGE_UNAVAILABLE");
      await until("its connections are gone", async () => {
        expect(await fetchJwks(replica.url)).to.deep.equal(before);
        return proxy.connections === 0;
      });
      proxy.restore();
      await until("it serves again", () =>
        validateForToken(replica.client, cookie).then(
          ({ token }) => token !== "",
          () => false,
        ),
      );
    });

    it("is the last one that was read, while the database hangs and probes are answered (H03, J08)", async () => {
      const url = `http://127.0.0.1:${replica.app.metricsPort}`;
      const before = await fetchJwks(url);
      const { tokenKeys } = replica.app.storage;
      const published = tokenKeys.published.bind(tokenKeys);
      let isReading = false;
      tokenKeys.published = (context) => {
        isReading = true;
        return published(context);
      };
      proxy.freeze();
      await until("the keys are read anew, which hangs", async () => {
        expect(await fetchJwks(url)).to.deep.equal(before);
        return isReading;
      });
      // More than the port has connections for.
      for (let round = 0; round < 10; round += 1) {
        expect(await fetchJwks(url)).to.deep.equal(before);
        expect(await fetchJwks(replica.url)).to.deep.equal(before);
        for (const probe of ["healthz", "readyz"]) {
          expect((await fetch(`${url}/${probe}`)).status, probe).to.equal(200);
        }
      }
      await app.client.rotateTokenKey({ actingActorId: "root", immediately: true });
      proxy.restore();
      await until("the read goes on and the new key is published", async () => {
        const [kid] = await publishedKids(url);
        return kid !== before.keys[0]?.kid;
      });
    });
  });
});
