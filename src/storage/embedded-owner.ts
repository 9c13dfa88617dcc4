import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { processExists } from "./embedded-directory.ts";

/** The superuser of the embedded server. */
export const USER = "sessiond";
/** The database that sessiond uses. */
export const DATABASE = "sessiond";

/** Arbitrary, fixed for ever: what advisory lock means "owns this data directory". */
const LOCK = [0x73657373, 0x6f776e72] as const;
/** Advisory locks are per database, so owners must meet in one that nobody drops. */
const MEETING_PLACE = "postgres";
const APPLICATION_NAME = "sessiond-owner-";
/** How long a killed owner's lock may outlive it: the time in which the server sees the hang-up. */
const HANG_UP_MS = 500;
const DEAD_HOLDER_MS = 5_000;
const GOODBYE_MS = 2_000;

/** Another sessiond process uses the data directory. */
export class DataDirectoryInUseError extends Error {
  override readonly name = "DataDirectoryInUseError";
  /** The other process. 0 if it could not be determined. */
  readonly pid: number;
  readonly dataDirectory: string;

  constructor(dataDirectory: string, pid: number) {
    const holder = pid > 0 ? `sessiond process ${pid}` : "another sessiond process";
    super(
      `the data directory ${dataDirectory} is in use by ${holder}: stop that process, or set ` +
        "SESSIOND_DATA_DIR to another directory; to run several processes on the same data, " +
        "set SESSIOND_DATABASE_URL to a PostgreSQL server that they share",
    );
    this.pid = pid;
    this.dataDirectory = dataDirectory;
  }
}

/** The hold of this process on the data directory. */
export interface Ownership {
  readonly held: boolean;
  /** Lets this connection no longer keep Node alive. */
  unref(): void;
  /** Gives the data directory up. Never rejects. */
  release(): Promise<void>;
}

/** Where the embedded server listens, and for which directories. */
export interface OwnerTarget {
  readonly port: number;
  readonly password: string;
  /** As the error names it. */
  readonly dataDirectory: string;
  /** PGDATA as the server must report it. */
  readonly cluster: string;
}

/**
 * Makes this process the owner, and creates the database `sessiond` if it is absent.
 * `onLost` is called, once, if the connection that holds the lock breaks.
 *
 * The lock is an advisory lock of a database session. A server that outlives a killed sessiond,
 * by design, cannot itself be the mark of ownership, and a file with a process id outlives its
 * process; PostgreSQL drops this lock at the moment the owner's socket closes, however the owner
 * ended. sessiond relies on nothing else that lives in a database session, because of PgBouncer;
 * here there is none in between, as this is a server of our own on the loopback interface.
 *
 * @throws DataDirectoryInUseError if another process is the owner
 */
export async function takeOwnership(target: OwnerTarget, onLost: () => void): Promise<Ownership> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port: target.port,
    user: USER,
    password: target.password,
    database: MEETING_PLACE,
    application_name: `${APPLICATION_NAME}${process.pid}`,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    ssl: false,
  });
  let held = false;
  let ended = false;
  const lost = (): void => {
    ended = true;
    if (!held) return;
    held = false;
    onLost();
  };
  // Both stay for good: an outage without an `error` listener would end the process.
  client.on("error", lost);
  client.on("end", lost);
  const release = async (): Promise<void> => {
    held = false;
    if (!ended) await goodbye(client);
  };
  try {
    await client.connect();
    await checkCluster(client, target);
    await lock(client, target);
    await createDatabase(client);
    if (ended) throw new Error("the connection broke while the data directory was taken over");
    held = true;
  } catch (error) {
    await release();
    throw error;
  }
  return {
    get held() {
      return held;
    },
    // Part of pg, missing from its types.
    unref: () => (client as pg.Client & { unref(): void }).unref(),
    release,
  };
}

/** Ends the connection, within a bound: a server that hangs does not hang up either. */
async function goodbye(client: pg.Client): Promise<void> {
  const waiting = new AbortController();
  try {
    await Promise.race([
      client.end(),
      sleep(GOODBYE_MS, undefined, { signal: waiting.signal }).then(() => {
        client.connection.stream.destroy();
      }),
    ]);
  } catch {
    // It is gone already, which is what was wanted.
  } finally {
    waiting.abort();
  }
}

/** A port from an old pid file may have been given to somebody else's server since. */
async function checkCluster(client: pg.Client, target: OwnerTarget): Promise<void> {
  const result = await client.query<{ data_directory: string }>("SHOW data_directory");
  const actual = result.rows[0]?.data_directory;
  if (actual !== target.cluster) {
    throw new Error(`the server on port ${target.port} serves ${actual}, not ${target.cluster}`);
  }
}

async function lock(client: pg.Client, target: OwnerTarget): Promise<void> {
  const start = Date.now();
  for (;;) {
    const result = await client.query<{ locked: boolean }>(
      "SELECT pg_try_advisory_lock($1::int, $2::int) AS locked",
      [...LOCK],
    );
    if (result.rows[0]?.locked === true) return;
    const holder = await findHolder(client);
    // A process that was killed but not yet reaped by its parent still exists.
    const patience = holder > 0 && processExists(holder) ? HANG_UP_MS : DEAD_HOLDER_MS;
    if (Date.now() - start > patience) {
      throw new DataDirectoryInUseError(target.dataDirectory, holder);
    }
    await sleep(50);
  }
}

/** The process id in the application name of the session that holds the lock, else 0. */
async function findHolder(client: pg.Client): Promise<number> {
  const result = await client.query<{ application_name: string }>(
    `SELECT a.application_name
       FROM pg_locks l
       JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
        AND l.classid = $1::int::oid AND l.objid = $2::int::oid
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [...LOCK],
  );
  const name = result.rows[0]?.application_name ?? "";
  return name.startsWith(APPLICATION_NAME) ? Number(name.slice(APPLICATION_NAME.length)) || 0 : 0;
}

/** Only the owner gets here, so nobody else creates it at the same time. */
async function createDatabase(client: pg.Client): Promise<void> {
  const found = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [DATABASE]);
  if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
}
