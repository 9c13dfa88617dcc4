import net from "node:net";
import { expect } from "chai";
import pg from "pg";
import type { Statement } from "../../src/storage/pg/prepared-statements.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { rejected } from "../support/expect-reason.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import { openConnections, openTestStorage, type TestStorage } from "../support/storage.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until, untilBlockedBy } from "../support/until.ts";

const PID: Statement = { text: "SELECT pg_backend_pid() AS pid" };
const NAP: Statement = { text: "SELECT pg_sleep($1), 'nap'" };
/** In seconds: longer than `until` waits, so that a statement that is not ended is noticed. */
const HOUR = 3600;

describe("database: a caller that goes", () => {
  let test: TestDatabase;
  let storage: TestStorage;

  before(async () => {
    test = await createTestDatabase();
    // Its limits are so long that nothing but the cancellation can have ended a statement.
    storage = await openTestStorage(test.url, { poolSize: 4 });
  });
  after(async () => {
    await storage?.close();
    await test?.drop();
  });

  /** Statements that the service has running on the server, by their text. */
  async function running(text: string): Promise<number> {
    const rows = await test.sql(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sessiond' AND state <> 'idle'
         AND position($1 IN query) > 0`,
      [text],
    );
    return rows.length;
  }

  const isRunning = (text: string) => until(`${text} runs`, async () => (await running(text)) > 0);
  const hasEnded = (text: string) =>
    until(`${text} has ended`, async () => (await running(text)) === 0);

  it("leaves no orphan, and is told at once, with its own reason", async () => {
    const abort = new AbortController();
    const reason = new Error("the caller has gone");
    const call = storage.database.query(NAP, [HOUR], abort.signal);
    const outcome = call.catch((error: unknown) => error);
    await isRunning("'nap'");
    abort.abort(reason);
    expect(await outcome).to.equal(reason);
    await hasEnded("'nap'");
  });

  it("leaves no orphan in a transaction, which is rolled back", async () => {
    const abort = new AbortController();
    const reason = new Error("the caller has gone");
    const outcome = storage.database
      .transaction(abort.signal, async (run) => {
        await run({ text: "CREATE TABLE half_done ()" }, []);
        await run({ text: `SELECT pg_sleep(${HOUR}), 'in transaction'` }, []);
      })
      .catch((error: unknown) => error);
    await isRunning("'in transaction'");
    abort.abort(reason);
    expect(await outcome).to.equal(reason);
    await hasEnded("");
    expect(await test.sql("SELECT to_regclass('half_done') AS found")).to.deep.equal([
      { found: null },
    ]);
  });

  it("leaves no orphan of TypeORM's", async () => {
    const abort = new AbortController();
    const reason = new Error("the caller has gone");
    const outcome = storage.database
      .withEntityManager(abort.signal, (manager) =>
        manager.query(`SELECT pg_sleep(${HOUR}), 'managed'`),
      )
      .catch((error: unknown) => error);
    await isRunning("'managed'");
    abort.abort(reason);
    expect(await outcome).to.equal(reason);
    await hasEnded("'managed'");
    await until("the connection is back", async () => storage.pool.idleCount > 0);
  });

  it("is not answered with success for work that was between two statements", async () => {
    const abort = new AbortController();
    const reason = new Error("the caller has gone");
    const outcome = storage.database
      .transaction(abort.signal, async (run) => {
        await run({ text: "CREATE TABLE between_statements ()" }, []);
        abort.abort(reason);
        return "done";
      })
      .catch((error: unknown) => error);
    expect(await outcome).to.equal(reason);
    await hasEnded("");
    expect(await test.sql("SELECT to_regclass('between_statements') AS found")).to.deep.equal([
      { found: null },
    ]);
  });

  it("is told its own reason where it had gone before it asked, and nothing is sent", async () => {
    const reason = new Error("gone before");
    const signal = AbortSignal.abort(reason);
    for (const call of [
      storage.database.query(PID, [], signal),
      storage.database.transaction(signal, async () => "never"),
      storage.database.withEntityManager(signal, async () => "never"),
    ]) {
      expect(await call.catch((error: unknown) => error)).to.equal(reason);
    }
  });

  it("is told its own reason where it goes in the moment that it gets a connection", async () => {
    const abort = new AbortController();
    const reason = new Error("gone in between");
    storage.pool.once("acquire", () => abort.abort(reason));
    const call = storage.database.query(PID, [], abort.signal);
    expect(await call.catch((error: unknown) => error)).to.equal(reason);
  });

  it("does not hit the statement that uses the connection next", async () => {
    const single = await openTestStorage(test.url, { poolSize: 1 });
    try {
      const [first] = await single.database.query(PID, [], undefined);
      for (const round of numbers(300)) {
        const abort = new AbortController();
        // A statement that ends by itself at about the time of the cancellation, mostly.
        const doomed = single.database.query(NAP, [0.001 * (round % 4)], abort.signal);
        const outcome = doomed.then(
          () => "done",
          () => "cancelled",
        );
        setTimeout(() => abort.abort(), round % 5);
        // Takes the connection as soon as it is free, and long enough to be hit.
        const rows = await single.database.query(
          { text: "SELECT pg_backend_pid() AS pid, pg_sleep(0.003)" },
          [],
          undefined,
        );
        expect(rows[0]?.pid, "the connection is used again").to.equal(first?.pid);
        await outcome;
      }
    } finally {
      await single.close();
    }
  });

  it("does not hit the next statement with a cancellation that arrives late", async () => {
    // The cancellation is given up after this long, before or after the statement has ended.
    const single = await openTestStorage(test.url, { poolSize: 1, cancelGraceMs: 1000 });
    const [first, second] = [await holdTransaction(test), await holdTransaction(test)] as const;
    const waitFor = "SELECT pg_advisory_xact_lock($1)";
    const prototype = pg.Connection.prototype as unknown as {
      cancel(processId: number, secretKey: number): void;
    };
    const { cancel } = prototype;
    let late: [number, number] | undefined;
    // The request is on its way and does not get there.
    prototype.cancel = (processId, secretKey) => {
      late = [processId, secretKey];
    };
    try {
      await first.query(waitFor, [1]);
      await second.query(waitFor, [2]);
      const abort = new AbortController();
      const doomed = single.database.query({ text: waitFor }, [1], abort.signal).catch(() => {});
      await untilBlockedBy(test.sql, first.pid);
      abort.abort();
      await doomed;
      const next = single.database.query({ text: waitFor }, [2], undefined);
      await until("the cancellation is on its way", async () => late !== undefined);
      await first.commit();
      // The next statement has begun when the late request comes.
      await untilBlockedBy(test.sql, second.pid);
      const [processId, secretKey] = late as unknown as [number, number];
      await sendCancelRequest(test.url, processId, secretKey);
      await second.commit();
      expect(await next).to.have.length(1);
    } finally {
      prototype.cancel = cancel;
      await first.end();
      await second.end();
      await single.close();
    }
  });

  it("never keeps a connection: the pool is whole after hundreds of aborted calls", async () => {
    const { database, pool } = storage;
    const signals = numbers(400).map(() => new AbortController());
    await inParallel(40, signals.entries(), async ([index, abort]) => {
      const { signal } = abort;
      setTimeout(() => abort.abort(), index % 7);
      const calls = [
        () => database.query(NAP, [0.002 * (index % 5)], signal),
        () => database.transaction(signal, (run) => run(NAP, [0.002 * (index % 5)])),
        () => database.withEntityManager(signal, (manager) => manager.query(NAP.text, [0.002])),
      ];
      await calls[index % 3]?.().catch(() => {});
    });
    await until("all connections are back", async () => {
      return pool.waitingCount === 0 && pool.idleCount === pool.totalCount;
    });
    expect(pool.totalCount).to.be.at.most(4);
    // As many at once as there are connections: none of them is held, broken or busy.
    await openConnections(storage, 4);
    const [listeners] = await Promise.all([
      database.withEntityManager(undefined, async () => Math.max(...errorListeners(pool))),
    ]);
    expect(listeners, "listeners do not pile up").to.be.at.most(4);
  });
});

function errorListeners(pool: pg.Pool): number[] {
  const { _clients: clients } = pool as unknown as { _clients: pg.Client[] };
  return clients.map((client) => client.listenerCount("error"));
}

/** The protocol's CancelRequest: its length, its code, the process and its secret. */
async function sendCancelRequest(url: string, processId: number, secret: number): Promise<void> {
  const { hostname, port } = new URL(url);
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(80_877_102, 4);
  message.writeInt32BE(processId, 8);
  message.writeInt32BE(secret, 12);
  const socket = net.connect(Number(port), hostname);
  socket.end(message);
  socket.resume();
  await new Promise<void>((resolve, reject) => {
    socket.once("close", () => resolve());
    socket.once("error", reject);
  });
}

describe("database: a statement that takes too long", () => {
  let test: TestDatabase;
  let storage: TestStorage;

  before(async () => {
    test = await createTestDatabase();
    storage = await openTestStorage(test.url, { poolSize: 1 });
  });
  after(async () => {
    await storage?.close();
    await test?.drop();
  });

  it("is ended, says STORAGE_UNAVAILABLE, and its connection is used again", async () => {
    const { database } = storage;
    const [before] = await database.query(PID, [], undefined);
    storage.setLimits({ statementTimeoutMs: 100 });
    await rejected(database.query(NAP, [HOUR], undefined), "STORAGE_UNAVAILABLE");
    const managed = database.withEntityManager(undefined, (manager) =>
      manager.query(NAP.text, [HOUR]),
    );
    await rejected(managed, "STORAGE_UNAVAILABLE");
    const inTransaction = database.transaction(undefined, (run) => run(NAP, [HOUR]));
    await rejected(inTransaction, "STORAGE_UNAVAILABLE");
    storage.setLimits({ statementTimeoutMs: 600_000 });
    const [after] = await database.query(PID, [], undefined);
    expect(after?.pid).to.equal(before?.pid);
    const busy = await test.sql(
      `SELECT query FROM pg_stat_activity WHERE application_name = 'sessiond'
       AND datname = current_database() AND state <> 'idle'`,
    );
    expect(busy).to.deep.equal([]);
  });
});
