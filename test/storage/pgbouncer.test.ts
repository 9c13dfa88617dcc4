import { expect } from "chai";
import { openSession } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { everyCall } from "../support/every-call.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import { type PgBouncer, pgbouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { until } from "../support/until.ts";

const WORKERS = 24;
/** Fewer than the pool of sessiond, so that its connections share those to the database. */
const SERVER_CONNECTIONS = 4;
const LOST = "a prepared statement was lost";

describe("PgBouncer in transaction mode", () => {
  let database: TestDatabase;
  let bouncer: PgBouncer;
  const replicas: Replica[] = [];
  let lines: string[] = [];

  before(function () {
    if (pgbouncer === undefined) this.skip();
  });
  beforeEach(async () => {
    lines = [];
    database = await createTestDatabase({ empty: true });
    bouncer = await startPgBouncer(database.url, SERVER_CONNECTIONS);
  });
  afterEach(async () => {
    for (const replica of replicas.splice(0)) await replica.stop();
    await bouncer?.stop();
    await database?.drop();
  });

  async function start(
    env: Record<string, string> = {},
    url: string = bouncer.url,
  ): Promise<Replica> {
    const replica = await startReplica(url, {
      env: { SESSIOND_DATABASE_POOL_SIZE: "10", SESSIOND_MAX_SESSIONS_PER_ACTOR: "0", ...env },
      onLog: (line) => lines.push(line),
    });
    replicas.push(replica);
    return replica;
  }

  /** Makes all calls, each with a session of its own. A failed call fails the test. */
  function burst({ client }: Replica): Promise<void> {
    const calls = Object.values(everyCall);
    const work = numbers(3 * WORKERS).map((index) => calls[index % calls.length]);
    return inParallel(WORKERS, work, async (call) => call?.(client, await openSession(client)));
  }

  const linesWith = (text: string) => lines.filter((line) => line.includes(text));

  for (const [what, limit] of [
    ["batched Creates", "0"],
    ["Creates under a session limit", "100"],
  ] as const) {
    it(`loses prepared statements, and no call fails of it; it is logged once (${what})`, async () => {
      const replica = await start({ SESSIOND_MAX_SESSIONS_PER_ACTOR: limit });
      await until("a prepared statement is lost", async () => {
        await burst(replica);
        return linesWith(LOST).length > 0;
      });
      await burst(replica);
      expect(linesWith(LOST)).to.have.length(1);
      expect(linesWith(LOST)[0]).to.include("SESSIOND_DATABASE_PREPARED_STATEMENTS=false");
      expect(linesWith("call failed")).to.deep.equal([]);
    });
  }

  it("never gets a prepared statement if they are switched off", async () => {
    const replica = await start({ SESSIOND_DATABASE_PREPARED_STATEMENTS: "false" });
    await burst(replica);
    expect(linesWith(LOST)).to.deep.equal([]);
    const { database: connections } = replica.app.storage;
    const found = await Promise.all(
      numbers(20).map(() =>
        connections.query({ text: "SELECT name FROM pg_prepared_statements" }, [], undefined),
      ),
    );
    expect(found.flat()).to.deep.equal([]);
  });

  it("lets two replicas start at once on an empty database: one migrates", async () => {
    await Promise.all([start(), start()]);
    expect(linesWith("migrations applied")).to.have.length(1);
    expect(await database.sql("SELECT 1 FROM signing_keys")).to.have.length(1);
  });

  it("is waited for at start, also while it waits for its server", async () => {
    const proxy = await startDatabaseProxy(database.url);
    const waiting = await startPgBouncer(proxy.url, SERVER_CONNECTIONS);
    try {
      proxy.refuse();
      const started = start(
        { SESSIOND_DATABASE_START_TIMEOUT: "1h", SESSIOND_DATABASE_CONNECT_TIMEOUT: "300ms" },
        waiting.url,
      );
      await until("it waits", async () => linesWith("waiting for the database").length > 0);
      proxy.restore();
      const { client, stop } = await started;
      await openSession(client);
      expect(linesWith("the database is available")).to.have.length(1);
      replicas.splice(0);
      await stop();
    } finally {
      await waiting.stop();
      await proxy.close();
    }
  });

  it("says that there is no such database, without a wait", async () => {
    const url = new URL(bouncer.url);
    url.pathname = "/nowhere";
    const started = start({ SESSIOND_DATABASE_START_TIMEOUT: "1h" }, url.href);
    const error = await started.catch((reason: Error) => reason);
    expect((error as Error).message).to.match(
      /cannot connect .*: database "nowhere" does not exist/,
    );
  });

  it("passes a cancellation on, and the statements after it are not hit", async () => {
    const { database: connections } = (await start()).app.storage;
    const abort = new AbortController();
    const reason = new Error("gone");
    const call = connections.query({ text: "SELECT pg_sleep(3600)" }, [], abort.signal);
    const outcome = call.catch((error: unknown) => error);
    const isRunning = async () => {
      const rows = await database.sql(
        `SELECT 1 FROM pg_stat_activity
         WHERE query = 'SELECT pg_sleep(3600)' AND state = 'active'`,
      );
      return rows.length > 0;
    };
    await until("it runs", isRunning);
    abort.abort(reason);
    expect(await outcome).to.equal(reason);
    await until("it has ended", async () => !(await isRunning()));
    const one = { text: "SELECT 1 AS one" };
    const rows = await Promise.all(numbers(20).map(() => connections.query(one, [], undefined)));
    expect(rows.flat()).to.deep.equal(numbers(20).map(() => ({ one: 1 })));
  });
});
