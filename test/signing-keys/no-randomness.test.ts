import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import { SessionError } from "../../src/session/errors.ts";
import type { RandomBytes } from "../../src/session/ids.ts";
import { newActor, newTenant, openSession } from "../support/actors.ts";
import { startReplica, startTestApp } from "../support/app.ts";
import { createTestDatabase } from "../support/database.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";

const noRandom: RandomBytes = () => {
  throw new Error("no entropy");
};

describe("behaviours: no randomness", () => {
  it("A16: without randomness at boot, it never comes to listening, and nothing is stored", async () => {
    const database = await createTestDatabase();
    // Who tried to listen here would fail for that reason.
    const taken = net.createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as net.AddressInfo;
    const start = (options: { random?: RandomBytes } = {}) =>
      startReplica(database.url, { ...options, env: { SESSIOND_PORT: String(port) } }).then(
        () => undefined,
        (error: unknown) => error,
      );
    try {
      const failure = await start({ random: noRandom });
      expect(failure).to.be.instanceOf(SessionError);
      expect(failure).to.include({ reason: "INITIAL_SIGNING_KEY_MINT_FAILED" });
      expect(await database.sql("SELECT 1 FROM signing_keys")).to.be.empty;
      expect(await database.sql("SELECT 1 FROM audit_events")).to.be.empty;

      // The control: with randomness, the same start comes as far as that.
      expect(((await start()) as Error).message).to.match(/listen/);
    } finally {
      taken.close();
      // Dropping fails if a refused start has left a connection open.
      await database.drop();
    }
  });

  it("A16: a tenant's first key that cannot be made fails its Create, and others go on", async () => {
    let fails = false;
    // The nonce of the key's encryption is the one thing of 12 bytes.
    const random = (size: number) => (fails && size === 12 ? noRandom(size) : randomBytes(size));
    const app = await startTestApp({ random });
    try {
      fails = true;
      const actor = newActor({ tenantId: newTenant() });
      await expectFailure(app.client.create({ actor }), "INITIAL_SIGNING_KEY_MINT_FAILED");
      expect(await app.sql("SELECT 1 FROM sessions")).to.be.empty;
      await openSession(app.client);
      fails = false;
      await openSession(app.client, { actor });
    } finally {
      await app.stop();
    }
  });

  it("A16: without randomness no session is opened with a guessable id or token", async () => {
    let random: RandomBytes = (size) => randomBytes(size);
    const app = await startTestApp({ random: (size) => random(size) });
    try {
      const { cookie } = await openSession(app.client);
      random = noRandom;
      const failure = await failureOf(app.client.create({ actor: newActor() }));
      expect(failure.rawMessage).to.not.include("entropy");
      const target = {
        case: "session",
        value: { ref: { case: "cookie", value: cookie } },
      } as const;
      await failureOf(app.client.rotateCsrf({ target }));
      await failureOf(app.client.rotateSigningKey({ actingActorId: "key-admin" }));
      expect(await app.sql("SELECT 1 FROM sessions")).to.have.length(1);
      expect(await app.sql("SELECT 1 FROM signing_keys")).to.have.length(1);
    } finally {
      await app.stop();
    }
  });
});
