import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import { RetryInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import {
  byCookie,
  newActor,
  newTenant,
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
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { until, untilBlockedBy } from "../support/until.ts";

/**
 * Short, so that what is stuck fails soon, as may anything on a busy machine; and enough
 * connections that no call has to queue.
 */
const shortLimits = {
  SESSIOND_DATABASE_STATEMENT_TIMEOUT: "200ms",
  SESSIOND_DATABASE_CONNECT_TIMEOUT: "300ms",
  SESSIOND_DATABASE_POOL_SIZE: "30",
};
const STATEMENT_TIMEOUT_MS = 200;
const unknownKeyId = `sk-${"0".repeat(32)}`;

describe("outages of the database", () => {
  let app: TestApp;
  let proxy: DatabaseProxy;
  let replica: Replica;
  /** For what must not fail but by the fault. */
  let patient: Replica;
  let opened: OpenedSession;

  before(async () => {
    app = await startTestApp();
    proxy = await startDatabaseProxy(app.database.url);
    patient = await startReplica(proxy.url);
    replica = await until("a start without a time limit exceeded", () =>
      startReplica(proxy.url, { env: shortLimits }).catch(() => undefined),
    );
  });
  after(async () => {
    proxy.restore();
    await replica.stop();
    await patient.stop();
    await proxy.close();
    await app.stop();
  });

  beforeEach(async () => {
    opened = await openSession(app.client);
    await untilServes(replica);
    await untilServes(patient);
  });
  afterEach("the replicas recover by themselves", async () => {
    proxy.restore();
    await untilServes(replica);
    await untilServes(patient);
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
    it(`every call on a database ${what} is STORAGE_UNAVAILABLE with a delay to retry (A29)`, async () => {
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

    it(`only a forged or malformed cookie is INVALID_COOKIE on a database ${what} (A29)`, async () => {
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

  it("every call on a database that answers succeeds (the control)", async () => {
    for (const [name, call] of Object.entries(everyCall)) {
      const session = await openSession(app.client);
      await call(patient.client, session).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
    }
  });

  /** Runs the work while another transaction keeps everyone from the table. */
  async function whileLocked(table: string, work: (held: HeldTransaction) => Promise<unknown>) {
    const held = await holdTransaction(app.database);
    try {
      await held.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      await work(held);
      await held.commit();
    } finally {
      await held.end();
    }
  }

  const losses: Record<string, () => unknown> = {
    "the connection is cut": () => proxy.cut(),
    "the database ends the connection": () =>
      app.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      ),
  };
  for (const [what, lose] of Object.entries(losses)) {
    it(`a Validate during which ${what} is STORAGE_UNAVAILABLE, and the next one is served (A29)`, async () => {
      await whileLocked("sessions", async ({ pid }) => {
        const call = expectUnavailable(validate(patient.client, opened.cookie));
        await untilBlockedBy(app.sql, pid);
        await lose();
        await call;
      });
      await validate(patient.client, opened.cookie);
    });
  }

  /** Makes a call that waits for the table until its statement has taken too long. */
  async function expectTimeLimit(table: string, call: () => Promise<unknown>): Promise<void> {
    await whileLocked(table, async () => {
      patient.setStatementTimeout(STATEMENT_TIMEOUT_MS);
      try {
        await expectUnavailable(call());
      } finally {
        patient.setStatementTimeout(600_000);
      }
    });
  }

  it("a Validate that takes too long is STORAGE_UNAVAILABLE, and the next one is served (A29)", async () => {
    await expectTimeLimit("sessions", () => validate(patient.client, opened.cookie));
    await validate(patient.client, opened.cookie);
  });

  it("a failed look-up of a key is STORAGE_UNAVAILABLE, not an unknown key (A09, fault 2)", async () => {
    const cookieUnder = (keyId: string) => forgeCookie(opened.id, keyId, Buffer.alloc(32));
    const cookie = cookieUnder(unknownKeyId);
    await expectFailure(validate(patient.client, cookie), "SIGNING_KEY_NOT_FOUND");
    // That the first key is unknown is remembered for a second.
    const other = cookieUnder(`sk-${"1".repeat(32)}`);
    await expectTimeLimit("signing_keys", () => validate(patient.client, other));
    await expectFailure(validate(patient.client, other), "SIGNING_KEY_NOT_FOUND");
  });

  it("a genuine cookie of a key not seen before is STORAGE_UNAVAILABLE too (A09)", async () => {
    const fresh = await startReplica(proxy.url);
    try {
      // It was made after the replica has started, which decrypts all keys that there are.
      const unseen = await openSession(app.client, { actor: newActor({ tenantId: newTenant() }) });
      proxy.refuse();
      await expectUnavailable(validate(fresh.client, unseen.cookie));
      proxy.restore();
      await untilServes(fresh);
      await validate(fresh.client, unseen.cookie);
    } finally {
      proxy.restore();
      await fresh.stop();
    }
  });

  it("a Create whose `replaces` cannot be looked up opens no session (A29)", async () => {
    const actor = newActor();
    let call: Promise<void> | undefined;
    await whileLocked("sessions", async ({ pid }) => {
      const replaces = byCookie(opened.cookie);
      call = expectUnavailable(patient.client.create({ actor, replaces }));
      await untilBlockedBy(app.sql, pid);
      // The look-up is lost; everything after it would be served.
      proxy.cut();
    });
    await call;
    expect((await app.client.list({ actor, includeEnded: true })).sessions).to.be.empty;
  });

  it("a read-only database serves Validate, and every change is STORAGE_UNAVAILABLE (A29)", async () => {
    const [row] = await app.sql<{ name: string }>("SELECT current_database() AS name");
    const readOnly = `ALTER DATABASE ${row?.name} SET default_transaction_read_only`;
    await app.sql(`${readOnly} = on`);
    try {
      // What was set holds for new connections, as after a failover to a standby.
      proxy.cut();
      await untilServes(patient);
      for (const change of ["Create", "Revoke", "RevokeAllForActor", "RotateSigningKey"]) {
        await expectUnavailable(everyCall[change]?.(patient.client, opened) as Promise<unknown>);
      }
    } finally {
      await app.sql(`${readOnly} = off`);
      proxy.cut();
    }
    await untilServes(patient);
    await everyCall.Create?.(patient.client, opened);
  });

  it("a defect of the database is INTERNAL, without its cause (A29)", async () => {
    await app.sql("ALTER TABLE signing_keys RENAME TO away");
    const error = await failureOf(validate(patient.client, opened.cookie));
    await app.sql("ALTER TABLE away RENAME TO signing_keys");
    expect([Code[error.code], error.rawMessage]).to.deep.equal(["Internal", "internal error"]);
    expect(error.details).to.be.empty;
  });
});
