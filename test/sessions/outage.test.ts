import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import { RetryInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import {
  byCookie,
  newActor,
  type OpenedSession,
  openSession,
  validate,
} from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { everyCall } from "../support/every-call.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";
import { forgeCookie } from "../support/signing-keys.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until, untilBlockedBy } from "../support/until.ts";

/** Short, so that what is stuck fails soon; and enough connections that no call has to queue. */
const impatient = {
  SESSIOND_DATABASE_STATEMENT_TIMEOUT: "200ms",
  SESSIOND_DATABASE_CONNECT_TIMEOUT: "300ms",
  SESSIOND_DATABASE_POOL_SIZE: "30",
};
const unknownKeyId = `sk-${"0".repeat(32)}`;

describe("behaviours: outages of the database", () => {
  let app: TestApp;
  let proxy: DatabaseProxy;
  let replica: Replica;
  let opened: OpenedSession;

  before(async () => {
    app = await startTestApp();
    proxy = await startDatabaseProxy(app.database.url);
    replica = await startReplica(proxy.url, { env: impatient });
  });
  after(async () => {
    proxy.restore();
    await replica.stop();
    await proxy.close();
    await app.stop();
  });

  beforeEach(async () => {
    opened = await openSession(app.client);
    await validate(replica.client, opened.cookie);
  });
  afterEach("the replica recovers by itself", async () => {
    proxy.restore();
    await untilServes(replica);
  });

  const untilServes = ({ client }: Replica) =>
    until("the replica serves again", () =>
      validate(client, opened.cookie).then(
        ({ session }) => session?.id === opened.id,
        () => false,
      ),
    );

  async function expectUnavailable(call: Promise<unknown>): Promise<void> {
    const error = await expectFailure(call, "STORAGE_UNAVAILABLE");
    expect(error.rawMessage).to.equal("the session storage is unavailable; retry later");
    const [retry] = error.findDetails(RetryInfoSchema);
    expect(retry?.retryDelay).to.deep.include({ seconds: 1n, nanos: 0 });
  }

  const faults: Record<string, () => void> = {
    "that refuses": () => proxy.refuse(),
    "that does not answer": () => proxy.freeze(),
  };
  for (const [what, fail] of Object.entries(faults)) {
    it(`A29: with a database ${what}, every call is STORAGE_UNAVAILABLE with a delay to retry`, async () => {
      const before = await sessionRow(app, opened.id);
      fail();
      const calls = Object.entries(everyCall).map(async ([name, call]) => {
        await expectUnavailable(call(replica.client, opened)).catch((error: Error) => {
          error.message = `${name}: ${error.message}`;
          throw error;
        });
      });
      await Promise.all(calls);
      expect(await sessionRow(app, opened.id)).to.deep.equal(before);
    });

    it(`A29: with a database ${what}, no cookie that may be good is called bad, nor a bad one good`, async () => {
      const revoked = await openSession(app.client);
      await app.client.revoke({ session: byCookie(revoked.cookie) });
      fail();
      const [, , keyId = ""] = opened.cookie.split(".");
      await Promise.all([
        expectUnavailable(validate(replica.client, opened.cookie)),
        expectUnavailable(validate(replica.client, revoked.cookie)),
        expectUnavailable(
          validate(replica.client, forgeCookie(opened.id, unknownKeyId, Buffer.alloc(32))),
        ),
        // Of these it is known without asking.
        expectFailure(
          validate(replica.client, forgeCookie(opened.id, keyId, Buffer.alloc(32))),
          "INVALID_COOKIE",
        ),
        expectFailure(validate(replica.client, "v1.nonsense"), "INVALID_COOKIE"),
        expectFailure(validate(replica.client, ""), "INVALID_COOKIE"),
      ]);
    });
  }

  it("the control: with a database that answers, every call succeeds", async () => {
    for (const [name, call] of Object.entries(everyCall)) {
      const session = await openSession(app.client);
      await call(replica.client, session).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
    }
  });

  const losses: Record<string, () => unknown> = {
    "the connection is cut": () => proxy.cut(),
    "the database ends the connection": () =>
      app.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      ),
  };
  for (const [what, lose] of Object.entries(losses)) {
    it(`A29: a Validate during which ${what} is STORAGE_UNAVAILABLE, and the next is served`, async () => {
      const patient = await startReplica(proxy.url);
      const held = await holdTransaction(app.database);
      try {
        await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
        const call = expectUnavailable(validate(patient.client, opened.cookie));
        await untilBlockedBy(app.sql, held.pid);
        await lose();
        await call;
        await held.commit();
        await validate(patient.client, opened.cookie);
      } finally {
        await held.end();
        await patient.stop();
      }
    });
  }

  it("A29: a Validate that takes too long is STORAGE_UNAVAILABLE, and the next is served", async () => {
    const held = await holdTransaction(app.database);
    try {
      await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
      await expectUnavailable(validate(replica.client, opened.cookie));
      await held.commit();
    } finally {
      await held.end();
    }
    await validate(replica.client, opened.cookie);
  });

  it("A09: a failure while the key is looked up is STORAGE_UNAVAILABLE, not an unknown key", async () => {
    const cookie = forgeCookie(opened.id, unknownKeyId, Buffer.alloc(32));
    await expectFailure(validate(replica.client, cookie), "SIGNING_KEY_NOT_FOUND");
    const held = await holdTransaction(app.database);
    try {
      await held.query("LOCK TABLE signing_keys IN ACCESS EXCLUSIVE MODE");
      await expectUnavailable(validate(replica.client, cookie));
      await held.commit();
    } finally {
      await held.end();
    }
    await expectFailure(validate(replica.client, cookie), "SIGNING_KEY_NOT_FOUND");
  });

  it("A09: nor does a genuine cookie of a key that was not seen before turn bad", async () => {
    const fresh = await startReplica(proxy.url, { env: impatient });
    try {
      proxy.refuse();
      await expectUnavailable(validate(fresh.client, opened.cookie));
      proxy.restore();
      await untilServes(fresh);
    } finally {
      proxy.restore();
      await fresh.stop();
    }
  });

  it("A29: a login whose `replaces` cannot be looked up is not made without it", async () => {
    const actor = newActor();
    const patient = await startReplica(proxy.url);
    const held = await holdTransaction(app.database);
    try {
      await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
      const call = expectUnavailable(
        patient.client.create({ actor, replaces: byCookie(opened.cookie) }),
      );
      await untilBlockedBy(app.sql, held.pid);
      // The look-up is lost; everything after it would be served.
      proxy.cut();
      await held.commit();
      await call;
    } finally {
      await held.end();
      await patient.stop();
    }
    expect((await app.client.list({ actor, includeEnded: true })).sessions).to.be.empty;
  });

  it("A29: a database that only reads still validates, and every change is STORAGE_UNAVAILABLE", async () => {
    const [row] = await app.sql<{ name: string }>("SELECT current_database() AS name");
    const readOnly = `ALTER DATABASE ${row?.name} SET default_transaction_read_only`;
    await app.sql(`${readOnly} = on`);
    try {
      // What was set holds for new connections, as after a failover to a standby.
      proxy.cut();
      await untilServes(replica);
      for (const change of ["Create", "Revoke", "RevokeAllForActor", "RotateSigningKey"]) {
        await expectUnavailable(everyCall[change]?.(replica.client, opened) as Promise<unknown>);
      }
    } finally {
      await app.sql(`${readOnly} = off`);
      proxy.cut();
    }
    await untilServes(replica);
    await everyCall.Create?.(replica.client, opened);
  });

  it("A29: a defect of the database is neither a bad cookie nor told to the caller", async () => {
    await app.sql("ALTER TABLE signing_keys RENAME TO away");
    const error = await failureOf(validate(replica.client, opened.cookie));
    await app.sql("ALTER TABLE away RENAME TO signing_keys");
    expect([Code[error.code], error.rawMessage]).to.deep.equal(["Internal", "internal error"]);
    expect(error.details).to.be.empty;
  });
});
