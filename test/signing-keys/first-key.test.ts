import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import { SessionError } from "../../src/session/errors.ts";
import type { RandomBytes } from "../../src/session/ids.ts";
import { byCookie, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas } from "../support/two-replicas.ts";
import { untilWaiting } from "../support/until.ts";

const noRandom: RandomBytes = () => {
  throw new Error("no entropy");
};

describe("first signing key: of the default tenant", () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  // Dropping fails if a refused start has left a connection open.
  afterEach(() => database.drop());

  const keys = () => database.sql<{ id: string }>("SELECT id, tenant_id FROM signing_keys");

  it("is made at boot, audited as a bootstrap, and not again at the second boot (A18)", async () => {
    expect(await keys()).to.be.empty;
    await (await startReplica(database.url)).stop();
    const made = await keys();
    expect(made).to.have.length(1);
    const keyId = made[0]?.id as string;
    expect(await auditOf(database.sql, keyId)).to.deep.equal([
      {
        category: "auth",
        action: "auth.session_signing_key_bootstrap",
        acting_actor_id: "",
        calling_service: "sessiond",
        tenant_id: "default",
        resource_type: "signing_key",
        resource_id: keyId,
        details: {},
      },
    ]);

    await (await startReplica(database.url)).stop();
    expect(await keys()).to.deep.equal(made);
    expect(await database.sql("SELECT 1 FROM audit_events")).to.have.length(1);
  });

  it("is one for all replicas that boot at once (A18)", async () => {
    const replicas: Replica[] = [];
    try {
      const boots = Array.from({ length: 4 }, () => startReplica(database.url));
      replicas.push(...(await Promise.all(boots)));
      const cookies = [];
      for (const { client } of replicas) cookies.push((await openSession(client)).cookie);
      for (const { client } of replicas) {
        for (const cookie of cookies) await validate(client, cookie);
      }

      const bootstraps = await database.sql(
        "SELECT 1 FROM audit_events WHERE action = 'auth.session_signing_key_bootstrap'",
      );
      expect(await keys()).to.have.length(1);
      expect(bootstraps).to.have.length(1);
    } finally {
      await Promise.all(replicas.map((replica) => replica.stop()));
    }
  });

  it("fails the start before it listens where there is no randomness, and stores nothing (A16)", async () => {
    // A start that got as far as listening would fail on this port.
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
      expect((failure as SessionError).cause).to.include({ message: "no entropy" });
      expect(await keys()).to.be.empty;
      expect(await database.sql("SELECT 1 FROM audit_events")).to.be.empty;

      // The control: with randomness, the same start comes as far as that.
      expect(((await start()) as Error).message).to.match(/listen/);
    } finally {
      taken.close();
    }
  });
});

describe("first signing key: of another tenant", () => {
  it("is made once by 20 first Creates at once on two replicas (A18)", async () => {
    const replicas = await startTwoReplicas();
    const { app, other } = replicas;
    try {
      for (const tenantId of numbers(5).map(newTenant)) {
        const actor = newActor({ tenantId });
        const held = await holdTransaction(app.database);
        // Insertions wait for it, so that several have begun before the first is done.
        await held.query("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE");
        const opening = Promise.all(
          numbers(20).map((index) => openSession((index % 2 ? app : other).client, { actor })),
        );
        // One of each replica: its others wait for it without a connection.
        await untilWaiting(app.sql, 2);
        await held.commit();
        const sessions = await opening;

        const keys = await app.sql("SELECT id FROM signing_keys WHERE tenant_id = $1", [tenantId]);
        expect(keys).to.have.lengthOf(1);
        for (const { cookie, created } of sessions) {
          expect(created.session?.signingKeyId).to.equal(keys[0]?.id);
          await Promise.all([validate(app.client, cookie), validate(other.client, cookie)]);
        }
        const audit = await auditOf(app.sql, keys[0]?.id);
        expect(audit.map(({ action, tenant_id }) => [action, tenant_id])).to.deep.equal([
          ["auth.session_signing_key_bootstrap", tenantId],
        ]);
        const bootstraps = await app.sql(
          "SELECT 1 FROM audit_events WHERE tenant_id = $1 AND action LIKE '%bootstrap'",
          [tenantId],
        );
        expect(bootstraps).to.have.lengthOf(1);
      }
    } finally {
      await replicas.stop();
    }
  });

  it("fails its Create if it cannot be made, and no other tenant's (A16)", async () => {
    let fails = false;
    // The nonce of the key's encryption is the only thing of 12 bytes.
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
});

describe("lost randomness", () => {
  it("fails every call that mints an id, a token or a key, and stores nothing (A16)", async () => {
    let random: RandomBytes = (size) => randomBytes(size);
    const app = await startTestApp({ random: (size) => random(size) });
    try {
      const { cookie } = await openSession(app.client);
      random = noRandom;
      const failure = await failureOf(app.client.create({ actor: newActor() }));
      expect(failure.rawMessage).to.not.include("entropy");
      const target = { case: "session", value: byCookie(cookie) } as const;
      await failureOf(app.client.rotateCsrf({ target }));
      await failureOf(app.client.rotateSigningKey({ actingActorId: "key-admin" }));
      expect(await app.sql("SELECT 1 FROM sessions")).to.have.length(1);
      expect(await app.sql("SELECT 1 FROM signing_keys")).to.have.length(1);
    } finally {
      await app.stop();
    }
  });
});
