import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { asAdmin } from "../support/database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { databaseEnv, type Started, useSessiond } from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";

const WAITING = '"waiting for the database"';
const AVAILABLE = '"the database is available"';

describe("sessiond as a process: a start without its database", () => {
  const sessiond = useSessiond();
  let proxy: DatabaseProxy | undefined;

  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  const isWaiting = (started: Started) =>
    until("it waits", async () => started.stderr.includes(WAITING));

  function linesOf(stderr: string, message: string): Record<string, unknown>[] {
    const lines = stderr.split("\n").filter((line) => line.includes(message));
    return lines.map((line) => JSON.parse(line));
  }

  /** A database that cannot be reached until the proxy is restored. */
  async function unreachable(): Promise<DatabaseProxy> {
    proxy = await startDatabaseProxy((await sessiond.database()).url);
    proxy.refuse();
    return proxy;
  }

  it("waits for it, says so once, and serves when it is there", async () => {
    const { url, restore } = await unreachable();
    const started = sessiond.start({
      env: { ...databaseEnv({ url }), SESSIOND_DATABASE_START_TIMEOUT: "1h" },
    });
    await isWaiting(started);
    restore();
    await started.says(/ listens on (\S+)/);

    const { stderr } = await started.end("SIGTERM");
    const { host, password } = new URL(url);
    const [waiting, ...more] = linesOf(stderr, WAITING);
    expect(more).to.have.length(0);
    expect(waiting).to.include({ level: 40, address: host, timeoutMs: 3_600_000 });
    expect(waiting?.reason).to.include(`cannot connect to the database at ${host}: `);
    expect(linesOf(stderr, AVAILABLE)).to.have.length(1);
    expect(stderr).not.to.include(password);
  });

  it("ends with 0 on SIGTERM during the wait", async () => {
    const { url } = await unreachable();
    const started = sessiond.start({
      env: { ...databaseEnv({ url }), SESSIOND_DATABASE_START_TIMEOUT: "1h" },
    });
    await isWaiting(started);
    expect(await started.end("SIGTERM")).to.include({ code: 0, stdout: "" });
  });

  it("ends with 0 on SIGTERM while a connection attempt gets no answer", async () => {
    const { url, freeze } = await unreachable();
    const env = { ...databaseEnv({ url }), SESSIOND_DATABASE_START_TIMEOUT: "1h" };
    const started = sessiond.start({ env });
    await isWaiting(started);
    // The connect timeout of the environment is longer than the test.
    freeze();
    await until("an attempt is under way", async () => proxy?.connections === 1);
    expect(await started.end("SIGTERM")).to.include({ code: 0, stdout: "" });
  });

  it("gives up after the wait, and names the setting", async () => {
    const { url } = await unreachable();
    const { code, stderr } = await sessiond.run({
      env: { ...databaseEnv({ url }), SESSIOND_DATABASE_START_TIMEOUT: "700ms" },
    });
    expect(code).to.equal(1);
    const { host } = new URL(url);
    expect(stderr).to.match(
      new RegExp(
        `^sessiond: cannot connect to the database at ${host}: .*; ` +
          "waited 0\\.7 s \\(see SESSIOND_DATABASE_START_TIMEOUT\\)$",
        "m",
      ),
    );
  });

  it("waits for the end of a failover, during which it is read-only", async () => {
    const database = await sessiond.database();
    const [row] = await database.sql("SELECT current_database() AS name");
    const readOnly = (value: string) =>
      // From another database, where every connection may write.
      asAdmin(`ALTER DATABASE ${row?.name} SET default_transaction_read_only = ${value}`);
    await readOnly("on");
    const started = sessiond.start({
      env: { ...databaseEnv(database), SESSIOND_DATABASE_START_TIMEOUT: "1h" },
    });
    await isWaiting(started);
    await readOnly("off");
    await started.says(/ listens on (\S+)/);
    expect(linesOf(started.stderr, WAITING)[0]?.reason).to.include("read-only");
  });

  it("waits while it has too many connections", async () => {
    const database = await sessiond.database();
    const [row] = await database.sql("SELECT current_database() AS name");
    const role = `${row?.name}_role`;
    await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 0`);
    try {
      await database.sql(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
      const url = new URL(database.url);
      url.username = role;
      url.password = "secret";
      const started = sessiond.start({
        env: { ...databaseEnv({ url: url.href }), SESSIOND_DATABASE_START_TIMEOUT: "1h" },
      });
      await isWaiting(started);
      await database.sql(`ALTER ROLE ${role} CONNECTION LIMIT 50`);
      await started.says(/ listens on (\S+)/);
      await started.end("SIGTERM");
    } finally {
      await database.sql(`DROP OWNED BY ${role}`);
      await database.sql(`DROP ROLE ${role}`);
    }
  });

  it("does not wait where the database is there: no line about it", async () => {
    const serving = await sessiond.serve({ env: databaseEnv(await sessiond.database()) });
    const { cookie } = await openSession(serving.client);
    await validate(serving.client, cookie);
    const { stderr } = await serving.end("SIGTERM");
    expect(stderr).not.to.match(/waiting for the database|the database is available/);
  });
});
