import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import type { EntityManager } from "typeorm";
import { serializeError } from "../../src/log/error-serializer.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { rejected } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";
import {
  GENEROUS_LIMITS,
  openConnections,
  openTestStorage,
  type TestStorage,
} from "../support/storage.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until, untilBlockedBy } from "../support/until.ts";

const ONE = { text: "SELECT 1 AS one" };
const NAP = { text: "SELECT pg_sleep($1), 'nap'" };
/** In seconds: longer than `until` waits, so that a statement that is not ended is noticed. */
const HOUR = 3600;

describe("database: connections that break", () => {
  let test: TestDatabase;
  let proxy: DatabaseProxy;
  let storage: TestStorage;

  beforeEach(async () => {
    test = await createTestDatabase();
    proxy = await startDatabaseProxy(test.url);
    storage = await openTestStorage(proxy.url, { poolSize: 3 });
  });
  afterEach(async () => {
    proxy?.restore();
    await storage?.close();
    await proxy?.close();
    await test?.drop();
  });

  const terminateAll = () =>
    test.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sessiond'`,
    );
  const oneIsServed = async () => {
    expect(await storage.database.query(ONE, [], undefined)).to.deep.equal([{ one: 1 }]);
  };
  const isRunning = () =>
    until("it runs", async () => {
      const rows = await test.sql(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
         AND application_name = 'sessiond' AND state = 'active'`,
      );
      return rows.length > 0;
    });
  const poolIs = (what: string, holds: () => boolean) => until(what, async () => holds());

  it("while idle: the process survives, and the next call is served", async () => {
    await openConnections(storage, 3);
    expect(storage.pool.totalCount).to.equal(3);
    await terminateAll();
    await poolIs("the pool has noticed", () => storage.pool.totalCount === 0);
    await oneIsServed();
  });

  it("while a statement runs: STORAGE_UNAVAILABLE, and the next call is served", async () => {
    const { database } = storage;
    for (const call of [
      () => database.query(NAP, [HOUR], undefined),
      () => database.transaction(undefined, (run) => run(NAP, [HOUR])),
      () => database.withEntityManager(undefined, (manager) => manager.query(NAP.text, [HOUR])),
    ]) {
      const outcome = rejected(call(), "STORAGE_UNAVAILABLE");
      await isRunning();
      await terminateAll();
      await outcome;
      await oneIsServed();
    }
  });

  it("in a write (EPIPE, which looks like an SQLSTATE): that is an outage", async () => {
    const client = await storage.pool.connect();
    client.release();
    const napping = storage.database.query(NAP, [HOUR], undefined);
    await isRunning();
    const broken = Object.assign(new Error("write EPIPE"), { code: "EPIPE", syscall: "write" });
    const { connection } = client as unknown as { connection: { stream: net.Socket } };
    connection.stream.destroy(broken);
    await rejected(napping, "STORAGE_UNAVAILABLE");
    await oneIsServed();
  });

  it("and those to a server that became a standby are not used again", async () => {
    const pid = { text: "SELECT pg_backend_pid() AS pid" };
    const [before] = await storage.database.query(pid, [], undefined);
    // What a standby answers to a write.
    const failure = "DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = '25006'; END $$";
    const error = await rejected(
      storage.database.query({ text: failure }, [], undefined),
      "STORAGE_UNAVAILABLE",
    );
    expect(serializeError(error).cause?.message).to.match(
      /25006, the database is read-only: it is/,
    );
    const [after] = await storage.database.query(pid, [], undefined);
    expect(after?.pid).not.to.equal(before?.pid);
    const managed = storage.database.withEntityManager(undefined, (manager) =>
      manager.query(failure),
    );
    await rejected(managed, "STORAGE_UNAVAILABLE");
    const [last] = await storage.database.query(pid, [], undefined);
    expect(last?.pid).not.to.equal(after?.pid);
  });

  it("suggest a failover, other than a primary that cancels, is full or overloaded", async () => {
    let suspicions = 0;
    const onSuspectedFailover = () => {
      suspicions += 1;
    };
    const watched = await openTestStorage(proxy.url, { poolSize: 1, onSuspectedFailover });
    try {
      const { database } = watched;
      const failing = (code: string) => ({
        text: `DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = '${code}'; END $$`,
      });
      for (const code of ["57014", "53100", "53300", "25P03", "58030", "XX001"]) {
        await rejected(database.query(failing(code), [], undefined), "STORAGE_UNAVAILABLE");
        const managed = (manager: EntityManager) => manager.query(failing(code).text);
        await rejected(database.withEntityManager(undefined, managed), "STORAGE_UNAVAILABLE");
      }
      watched.setLimits({ statementTimeoutMs: 50 });
      await rejected(database.query(NAP, [HOUR], undefined), "STORAGE_UNAVAILABLE");
      watched.setLimits(GENEROUS_LIMITS);
      expect(suspicions).to.equal(0);
      for (const code of ["08006", "25006", "57P01", "57P03", "28P01", "3D000"]) {
        suspicions = 0;
        await rejected(database.query(failing(code), [], undefined), "STORAGE_UNAVAILABLE");
        expect(suspicions, code).to.equal(1);
      }
      proxy.refuse();
      suspicions = 0;
      await rejected(database.query(ONE, [], undefined), "STORAGE_UNAVAILABLE");
      expect(suspicions).to.be.at.least(1);
    } finally {
      await watched.close();
    }
  });

  it("between two statements of a transaction: STORAGE_UNAVAILABLE, nothing half done", async () => {
    const call = storage.database.transaction(undefined, async (run) => {
      await run({ text: "CREATE TABLE half_done ()" }, []);
      await terminateAll();
      await run(ONE, []);
    });
    await rejected(call, "STORAGE_UNAVAILABLE");
    await oneIsServed();
    expect(await test.sql("SELECT to_regclass('half_done') AS found")).to.deep.equal([
      { found: null },
    ]);
  });

  it("while COMMIT is on its way: an error, never a success", async () => {
    const call = storage.database.transaction(undefined, async (run) => {
      await run({ text: "CREATE TABLE perhaps ()" }, []);
      proxy.cut();
    });
    await rejected(call, "STORAGE_UNAVAILABLE");
    await oneIsServed();
  });

  it("while COMMIT's answer is on its way: an error, though it has been done", async () => {
    const held = await holdTransaction(test);
    try {
      await held.query("SELECT pg_advisory_xact_lock($1)", [COMMIT_LOCK]);
      const outcome = rejected(
        storage.database.transaction(undefined, async (run) => {
          // A deferred trigger makes COMMIT wait until it has been cut off.
          await run({ text: "CREATE TABLE done (id integer)" }, []);
          await run({ text: WAIT_IN_COMMIT }, []);
          await run({ text: "INSERT INTO done VALUES (1)" }, []);
        }),
        "STORAGE_UNAVAILABLE",
      );
      await untilBlockedBy(test.sql, held.pid);
      proxy.cut();
      await outcome;
      await held.commit();
    } finally {
      await held.end();
    }
    await until("it has been committed all the same", async () => {
      const rows = await test.sql("SELECT to_regclass('done')::text AS found");
      return rows[0]?.found === "done";
    });
    await oneIsServed();
  });

  it("with the first bytes that arrive on them: the process survives", async () => {
    // Everything that a server says at the start, and at once that it shuts down.
    const greeting = Buffer.concat([
      serverMessage("R", Buffer.from([0, 0, 0, 0])),
      serverMessage("Z", Buffer.from("I")),
      serverMessage("E", Buffer.from("SFATAL\0C57P01\0Mshutting down\0\0")),
    ]);
    const dying = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(greeting));
    });
    dying.listen(0, "127.0.0.1");
    await once(dying, "listening");
    const { options } = storage.pool as unknown as { options: { connectionString: string } };
    const { connectionString } = options;
    try {
      // From here on, all new connections are made to it.
      await terminateAll();
      await poolIs("the pool is empty", () => storage.pool.totalCount === 0);
      const url = new URL(connectionString);
      url.port = String((dying.address() as net.AddressInfo).port);
      options.connectionString = url.href;
      for (const _ of numbers(5)) {
        await rejected(storage.database.query(ONE, [], undefined), "STORAGE_UNAVAILABLE");
      }
    } finally {
      options.connectionString = connectionString;
      dying.close();
    }
    await oneIsServed();
  });

  it("by refusal: STORAGE_UNAVAILABLE, and served again as soon as they are let in", async () => {
    proxy.refuse();
    await rejected(storage.database.query(ONE, [], undefined), "STORAGE_UNAVAILABLE");
    await rejected(
      storage.database.transaction(undefined, async () => {}),
      "STORAGE_UNAVAILABLE",
    );
    await rejected(
      storage.database.withEntityManager(undefined, async () => {}),
      "STORAGE_UNAVAILABLE",
    );
    proxy.restore();
    await oneIsServed();
  });
});

describe("database: a network that is frozen", () => {
  let test: TestDatabase;
  let proxy: DatabaseProxy;
  let storage: TestStorage;

  beforeEach(async () => {
    test = await createTestDatabase();
    proxy = await startDatabaseProxy(test.url);
    storage = await openTestStorage(proxy.url, { poolSize: 3 });
    await openConnections(storage, 3);
  });
  afterEach(async () => {
    thaw();
    await storage?.close();
    await proxy?.close();
    await test?.drop();
  });

  /** What is under way until `thaw` gets no answer within its limits; what comes later has time. */
  function freeze(): void {
    proxy.freeze();
    storage.setLimits({
      connectTimeoutMs: 300,
      statementTimeoutMs: 300,
      queueTimeoutMs: 300,
      cancelGraceMs: 1000,
    });
  }

  function thaw(): void {
    proxy?.restore();
    storage?.setLimits(GENEROUS_LIMITS);
  }

  it("answers a caller whose deadline passes with that, not with an answer's absence", async () => {
    freeze();
    const reason = new Error("deadline");
    const calls = numbers(10).map(async (index) => {
      const abort = new AbortController();
      setTimeout(() => abort.abort(reason), 20);
      const { database } = storage;
      const kinds = [
        () => database.query(ONE, [], abort.signal),
        () => database.transaction(abort.signal, (run) => run(ONE, [])),
        () => database.withEntityManager(abort.signal, (manager) => manager.query("SELECT 1")),
      ];
      return kinds[index % 3]?.().catch((error: unknown) => error);
    });
    // None of them may take as long as the clean-up of its connection does. Both go by timers of
    // this process, which fire in their order even when it is late for them.
    const cleanUp = until("connections are thrown away", async () => storage.pool.totalCount < 3);
    const first = await Promise.race([Promise.all(calls), cleanUp]);
    expect(first).to.deep.equal(numbers(10).map(() => reason));
    await cleanUp;
  });

  it("answers a caller without a deadline too, and serves again once it thaws", async () => {
    freeze();
    const outcomes = await Promise.allSettled(
      numbers(6).map(() => storage.database.query(ONE, [], undefined)),
    );
    for (const outcome of outcomes) {
      expect(outcome.status).to.equal("rejected");
      const { reason } = outcome as PromiseRejectedResult;
      expect(reason.reason).to.be.oneOf(["STORAGE_UNAVAILABLE", "OVERLOADED"]);
    }
    thaw();
    await until("it is served", () =>
      storage.database.query(ONE, [], undefined).then(
        (rows) => rows.length === 1,
        () => false,
      ),
    );
    const calls = numbers(30).map(() => storage.database.query(ONE, [], undefined));
    for (const rows of await Promise.all(calls)) expect(rows).to.deep.equal([{ one: 1 }]);
    expect(storage.pool.totalCount).to.be.at.most(3);
  });

  it("leaves no connection behind on the server once it thaws", async () => {
    freeze();
    await Promise.allSettled(numbers(6).map(() => storage.database.query(NAP, [HOUR], undefined)));
    thaw();
    await until("the server has only the pool's connections", async () => {
      const rows = await test.sql(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
         AND application_name = 'sessiond' AND state <> 'idle'`,
      );
      return rows.length === 0;
    });
  });
});

/** A message of PostgreSQL's protocol as the server sends it. */
function serverMessage(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

const COMMIT_LOCK = 1;
const WAIT_IN_COMMIT = `
  DO $outer$ BEGIN
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(${COMMIT_LOCK}); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON done DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION wait();
  END $outer$`;
