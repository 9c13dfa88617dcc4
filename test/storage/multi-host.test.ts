import { expect } from "chai";
import { pino } from "pino";
import { databaseHostUrls, databaseUrlProblem } from "../../src/config/database-url.ts";
import { openDatabase } from "../../src/storage/open-database.ts";
import { certificatePem, privateKeyPem } from "../config/helpers.ts";
import { byId, openSession } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";
import {
  lacksDebianPostgres,
  type PostgresServer,
  PostgresServers,
} from "../support/postgres-servers.ts";
import { startTlsPostgres } from "../support/tls-postgres.ts";
import { until } from "../support/until.ts";

/** One URL for several, which differ in host and port only. */
function severalHosts(urls: readonly string[], query = ""): string {
  const [first] = urls as [string];
  const { username, password, pathname } = new URL(first);
  const hosts = urls.map((url) => new URL(url).host).join(",");
  const parameters = `target_session_attrs=read-write${query}`;
  return `postgres://${username}:${password}@${hosts}${pathname}?${parameters}`;
}

interface Opened {
  /** The address of the host in use; undefined if there is none. */
  readonly address?: string | undefined;
  readonly error?: string;
}

/** Opens the database once, without waiting for it. */
async function open(url: string): Promise<Opened> {
  expect(databaseUrlProblem(url)).to.equal(undefined);
  try {
    const { dataSource, primary } = await openDatabase({
      urls: databaseHostUrls(url),
      poolSize: 1,
      connectTimeoutMs: 600_000,
      startTimeoutMs: 0,
      onPoolError: () => {},
      log: pino({ level: "silent" }),
    });
    const [row] = await dataSource.query("SELECT pg_is_in_recovery() AS standby");
    expect(row).to.deep.equal({ standby: false });
    await dataSource.destroy();
    return { address: primary?.current.address };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** The same with a port that nobody listens on. */
function nobody(url: string): string {
  const other = new URL(url);
  other.port = "1";
  return other.href;
}

describe("a database of several hosts", () => {
  let servers: PostgresServers;
  let first: PostgresServer;
  let second: PostgresServer;
  let replica: Replica;
  let id: string;

  before(async function () {
    if (lacksDebianPostgres) this.skip();
    servers = await PostgresServers.open();
    first = await servers.create({ wal_log_hints: "on" });
    second = await servers.standby(first);
  });
  after(async () => {
    await replica?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  const addressOf = ({ port }: PostgresServer) => `127.0.0.1:${port}`;

  it("is used where it accepts writes, at whatever place of the URL (P05)", async () => {
    const address = addressOf(first);
    for (const urls of [
      [first.url, second.url],
      [second.url, first.url],
      [nobody(first.url), second.url, first.url],
      [first.url, nobody(first.url)],
    ]) {
      expect(await open(severalHosts(urls))).to.deep.equal({ address });
    }
  });

  it("is not used while no host accepts writes, and each says why (P05)", async () => {
    const { error } = await open(severalHosts([nobody(second.url), second.url]));
    expect(error).to.match(
      new RegExp(
        `cannot use the database at 127.0.0.1:1, ${addressOf(second)}: ` +
          `127.0.0.1:1: .*ECONNREFUSED.*; ${addressOf(second)}: it is read-only, as a standby`,
      ),
    );
    expect(error).not.to.include(new URL(second.url).password);
  });

  const get = (id: string) => replica.client.get({ session: byId(id) });

  it("is away while all hosts are standbys, which are not read (P05)", async () => {
    replica = await startReplica(severalHosts([first.url, second.url]));
    ({ id } = await openSession(replica.client));
    await until("the standby has it", async () => {
      return (await second.sql("SELECT FROM sessions WHERE id = $1", [id])).length === 1;
    });
    await first.stop("immediate");
    await first.setStandby(true);
    await first.start();
    // Both hosts have the session, and do not know of a revocation that comes after it.
    for (let calls = 0; calls < 20; calls += 1) {
      await expectFailure(get(id), "STORAGE_UNAVAILABLE");
    }
  });

  it("is followed to the standby that is promoted (P04, P05)", async () => {
    await second.promote();
    await until("the promoted one serves", () =>
      get(id).then(
        () => true,
        () => false,
      ),
    );
    await openSession(replica.client);
  });

  it("is not the former primary that runs again on its own (P05)", async () => {
    await first.stop("fast");
    await first.setStandby(false);
    await first.start();
    const address = addressOf(second);
    expect(await open(severalHosts([first.url, second.url]))).to.deep.equal({ address });
  });

  it("keeps no connection to a primary that another one has replaced (P05)", async () => {
    const third = await servers.standby(second);
    const url = severalHosts([second.url, third.url]);
    const other = await startReplica(url, { env: { SESSIOND_DATABASE_POOL_SIZE: "4" } });
    try {
      const connections = "FROM pg_stat_activity WHERE application_name = 'sessiond'";
      await Promise.all(Array.from({ length: 40 }, () => openSession(other.client)));
      // Both accept writes now, and the replica does not know of it until something fails.
      await third.promote();
      await replica.stop();
      const ours = `SELECT pg_terminate_backend(pid) ${connections} LIMIT 1`;
      expect(await second.sql(ours)).to.have.length(1);
      await until("a connection to the new one", async () => {
        await openSession(other.client).catch(() => {});
        return (await third.sql(`SELECT ${connections}`)).length > 0;
      });
      await until("none to the old one", async () => {
        return (await second.sql(`SELECT ${connections}`)).length === 0;
      });
    } finally {
      await other.stop();
    }
  });
});

describe("a database of several hosts, with TLS", () => {
  it("is verified by the name of each host (P05)", async () => {
    // For localhost only.
    const postgres = await startTlsPostgres({
      certificate: certificatePem,
      key: privateKeyPem(7),
    });
    try {
      const ca = await postgres.file("ca.pem", certificatePem);
      const query = `&sslmode=verify-full&sslrootcert=${ca}`;
      const { port, href } = new URL(postgres.server.url);
      const byName = href.replace("127.0.0.1", "localhost");
      expect(await open(severalHosts([href, byName], query))).to.deep.equal({
        address: `localhost:${port}`,
      });
      const { error } = await open(severalHosts([href, nobody(href)], query));
      expect(error).to.match(
        new RegExp(`127.0.0.1:${port}: .*does not match certificate.*127.0.0.1:1: .*ECONNREFUSED`),
      );
    } finally {
      await postgres.stop();
    }
  });
});
