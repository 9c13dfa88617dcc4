import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { createDataSource } from "../src/storage/data-source.ts";
import { migrate } from "../src/storage/schema/migrate.ts";
import { processStat } from "./proc.ts";

const MEGABYTE = 1024 * 1024;

export type Row = Record<string, unknown>;

/** A connection to a database for the statements of the benchmark itself. */
export interface Sql {
  (text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Closes the connection, even if a statement runs on it. */
  close(): Promise<void>;
}

export interface DatabaseServer {
  /** Whether the benchmark started it. */
  readonly own: boolean;
  /** Undefined if its processes are not visible, for example on another machine. */
  readonly postmasterPid: number | undefined;
  readonly sql: Sql;
  /** Creates an empty database, which is dropped at the end. Returns its URL. */
  createDatabase(): Promise<string>;
}

export async function connectSql(url: string): Promise<Sql> {
  const client = new pg.Client({ connectionString: url });
  // If the connection breaks, its statement fails, too, and reports the error.
  client.on("error", () => {});
  await client.connect();
  const sql = async (text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await client.query(text, [...values])).rows;
  return Object.assign(sql, {
    close: async () => {
      client.connection.stream.destroy();
    },
  });
}

/**
 * The settings of the server that the benchmark starts: PostgreSQL's defaults, with durable commits.
 * Only the memory is set as for a dedicated machine, and the write-ahead log is large, so that no
 * checkpoint runs during the measurement of only one system.
 */
function ownSettings(): Record<string, string> {
  const sharedMegabytes = Math.floor(Math.min(1024, totalmem() / MEGABYTE / 4));
  return {
    shared_buffers: `${sharedMegabytes}MB`,
    maintenance_work_mem: `${Math.floor(sharedMegabytes / 4)}MB`,
    max_connections: "300",
    max_wal_size: "8GB",
    checkpoint_timeout: "30min",
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
  };
}

/** Uses the server of SESSIOND_BENCH_DATABASE_URL, or starts one. */
export async function openDatabaseServer(
  dataParent: string,
  stack: AsyncDisposableStack,
): Promise<DatabaseServer> {
  const given = process.env.SESSIOND_BENCH_DATABASE_URL;
  const url = given ?? (await startOwn(dataParent, stack));
  const sql = await connectSql(url).catch((error: unknown) => {
    const { host } = new URL(url);
    throw new Error(`cannot connect to the database at ${host}: ${(error as Error).message}`, {
      cause: error,
    });
  });
  stack.defer(() => sql.close());
  return {
    own: given === undefined,
    postmasterPid: await findPostmaster(sql, url),
    sql,
    createDatabase: () => createDatabase(url, stack),
  };
}

async function startOwn(dataParent: string, stack: AsyncDisposableStack): Promise<string> {
  const dataDirectory = await mkdtemp(join(await realpath(dataParent), "sessiond-bench-data-"));
  stack.defer(() => rm(dataDirectory, { recursive: true, force: true }));
  // If this process runs as root, PostgreSQL runs as another user, who needs access.
  await chmod(dataDirectory, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDirectory, settings: ownSettings() });
  stack.defer(() => postgres.stop());
  return postgres.url;
}

/** The parent of the connection's backend process, if PostgreSQL runs on this machine. */
async function findPostmaster(sql: Sql, url: string): Promise<number | undefined> {
  if (!["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname)) return undefined;
  const [row] = await sql("SELECT pg_backend_pid() AS pid");
  const backend = await processStat(row?.pid as number);
  return backend?.command.startsWith("postgres") ? backend.parent : undefined;
}

/** Drops the database with a new connection, since the others may be closed by then. */
async function createDatabase(serverUrl: string, stack: AsyncDisposableStack): Promise<string> {
  const name = `sessiond_bench_${randomBytes(6).toString("hex")}`;
  const onServer = async (statement: string): Promise<void> => {
    const sql = await connectSql(serverUrl);
    await sql(statement).finally(() => sql.close());
  };
  await onServer(`CREATE DATABASE ${name} TEMPLATE template0`);
  stack.defer(() => onServer(`DROP DATABASE ${name} WITH (FORCE)`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Creates sessiond's schema in an empty database. */
export async function createSchema(url: string): Promise<void> {
  const dataSource = createDataSource({
    url,
    poolSize: 1,
    connectTimeoutMs: 5000,
    onPoolError: () => {},
  });
  await dataSource.initialize();
  await migrate(dataSource).finally(() => dataSource.destroy());
}

/** The server's version and settings, for the result. */
export async function describeServer({ sql, own }: DatabaseServer): Promise<Row> {
  const names = [
    "server_version",
    "shared_buffers",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "max_wal_size",
    "checkpoint_timeout",
    "autovacuum",
  ];
  const rows = await sql(
    "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) name",
    [names],
  );
  return { own, ...Object.fromEntries(rows.map(({ name, value }) => [name, value])) };
}

/**
 * Writes dirty pages to disk, so that one measurement does not cause writes in the next one. Does
 * nothing without the privilege.
 */
export async function checkpoint(sql: Sql): Promise<void> {
  const INSUFFICIENT_PRIVILEGE = "42501";
  await sql("CHECKPOINT").catch((error: pg.DatabaseError) => {
    if (error.code !== INSUFFICIENT_PRIVILEGE) throw error;
  });
}

/** The database's clock, in milliseconds, as in the timestamps of rows. */
export async function databaseTime(sql: Sql): Promise<Date> {
  const [row] = await sql("SELECT date_trunc('milliseconds', clock_timestamp()) AS now");
  return row?.now as Date;
}
