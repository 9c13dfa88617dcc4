import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { createDataSource } from "../src/storage/pg/data-source.ts";
import { migrate } from "../src/storage/schema/migrate.ts";
import { processStat } from "./proc.ts";

const MEGABYTE = 1024 * 1024;

export type Row = Record<string, unknown>;

/** One connection to a database, for what the benchmark itself has to ask and to prepare. */
export interface Sql {
  (text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Cuts the connection, whatever runs on it. */
  close(): Promise<void>;
}

export interface DatabaseServer {
  readonly own: boolean;
  /** Undefined where its processes cannot be seen from here, as on another machine. */
  readonly postmasterPid: number | undefined;
  readonly sql: Sql;
  /** Creates an empty database that is dropped in the end; returns its URL. */
  createDatabase(): Promise<string>;
}

export async function connectSql(url: string): Promise<Sql> {
  const client = new pg.Client({ connectionString: url });
  // A cut connection also fails the statement that runs on it, which is who tells.
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
 * The settings of the run's own server: PostgreSQL's defaults with everything that makes commits
 * durable, but with memory as an operator would give it on a machine of its own, and with room for
 * the log, so that no checkpoint falls into one system's measurement and not into another's.
 */
function ownSettings(): Record<string, string> {
  const sharedMegabytes = Math.floor(Math.min(1024, totalmem() / MEGABYTE / 4));
  return {
    shared_buffers: `${sharedMegabytes}MB`,
    maintenance_work_mem: `${Math.floor(sharedMegabytes / 4)}MB`,
    max_connections: "200",
    max_wal_size: "8GB",
    checkpoint_timeout: "30min",
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
  };
}

/** Uses the server that the environment names, or starts one. */
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
  // Where this process is root's, PostgreSQL runs as another user, who has to get in.
  await chmod(dataDirectory, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDirectory, settings: ownSettings() });
  stack.defer(() => postgres.stop());
  return postgres.url;
}

/** The parent of the process that serves us, if that is a PostgreSQL on this machine. */
async function findPostmaster(sql: Sql, url: string): Promise<number | undefined> {
  if (!["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname)) return undefined;
  const [row] = await sql("SELECT pg_backend_pid() AS pid");
  const backend = await processStat(row?.pid as number);
  return backend?.command.startsWith("postgres") ? backend.parent : undefined;
}

/** Its own connection does the dropping: others may be cut by then. */
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

/** Makes sessiond's schema in an empty database. */
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

/** What the server says about itself, for the result. */
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

/** Writes out what is dirty, so that one measurement does not pay for another; if we may. */
export async function checkpoint(sql: Sql): Promise<void> {
  const INSUFFICIENT_PRIVILEGE = "42501";
  await sql("CHECKPOINT").catch((error: pg.DatabaseError) => {
    if (error.code !== INSUFFICIENT_PRIVILEGE) throw error;
  });
}

/** The clock that rows are dated with, in the milliseconds that they have. */
export async function databaseTime(sql: Sql): Promise<Date> {
  const [row] = await sql("SELECT date_trunc('milliseconds', clock_timestamp()) AS now");
  return row?.now as Date;
}
