import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { expect } from "chai";
import pg from "pg";
import { pino } from "pino";
import type { QueryRunner } from "typeorm";
import { openDatabase } from "../../src/storage/open-database.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { until } from "../support/until.ts";

const OPTIONS = {
  poolSize: 1,
  connectTimeoutMs: 600_000,
  startTimeoutMs: 0,
  onPoolError: () => {},
  log: pino({ level: "silent" }),
};

/** Passes everything on to the database, except that a connection ends. */
async function startKeeper(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect(Number(target.port), target.hostname);
    sockets.push(client, upstream);
    for (const socket of [client, upstream]) socket.on("error", () => {});
    client.pipe(upstream);
    upstream.pipe(client, { end: false });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe("a database that is opened", () => {
  let test: TestDatabase;

  beforeEach(async () => {
    test = await createTestDatabase();
  });
  afterEach(() => test?.drop());

  it("is not waited for when it answers and then leaves the connection open", async () => {
    const keeper = await startKeeper(test.url);
    try {
      const { dataSource } = await openDatabase({ ...OPTIONS, urls: [keeper.url] });
      expect(await dataSource.query("SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
      await keeper.close();
      await dataSource.destroy();
    } finally {
      await keeper.close().catch(() => {});
    }
  });

  it("is not searched for any more if that fails", async () => {
    const proxy = await startDatabaseProxy(test.url);
    let asked = 0;
    const other = net.createServer((socket) => {
      asked += 1;
      socket.destroy();
    });
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const otherUrl = new URL(test.url);
    otherUrl.host = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    // As if the schema were that of an older version.
    await test.sql(
      "DELETE FROM schema_migrations WHERE id = (SELECT max(id) FROM schema_migrations)",
    );
    const beforeUpgrade = async (runner: QueryRunner) => {
      proxy.refuse();
      const { master } = runner.connection.driver as unknown as { master: pg.Pool };
      master.emit("error", new Error("an idle connection broke"), new pg.Client());
      await until("a search", async () => asked >= 3);
      throw new Error("it is refused");
    };
    try {
      const urls = [proxy.url, otherUrl.href];
      const opening = openDatabase({ ...OPTIONS, urls, beforeUpgrade });
      const error = await opening.catch((thrown: unknown) => thrown);
      expect((error as Error).message).to.contain("it is refused");
      // A search asks four times a second, and these polls take longer than that.
      let polls = 0;
      let before = asked;
      await until("nobody is asked", async () => {
        polls = asked === before ? polls + 1 : 0;
        before = asked;
        return polls === 100;
      });
    } finally {
      await proxy.close();
      other.close();
    }
  });
});
