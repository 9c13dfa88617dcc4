import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Cluster } from "./cluster.ts";
import { DataDirectoryInUseError, failed, ignore } from "./errors.ts";
import { processExists } from "./pid-file.ts";

/** Arbitrary, but never to be changed: the advisory lock of whoever uses a data directory. */
export const LOCK_KEY = [0x73657373, 0x6f776e72];

/** Whether the lock was free, else the process id in the name of the session that holds it. */
const TRY_LOCK = `SELECT pg_try_advisory_lock($1::int, $2::int) AS locked,
  (SELECT substring(application_name FROM '-(\\d+)$') FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 2
      AND classid = $1::int::oid AND objid = $2::int::oid) AS holder`;

/**
 * Makes this process the only one that uses the cluster, whose server listens on the port. A server
 * or a file may outlive a killed process; PostgreSQL drops an advisory lock at the moment the
 * connection of its holder closes, however the holder has ended. Throws DataDirectoryInUseError.
 */
export async function lockDatabase(cluster: Cluster, port: number) {
  const { name, password, root } = cluster;
  const client = new pg.Client({
    ...{ host: "127.0.0.1", port, user: name, password, ssl: false, keepAlive: true },
    // Advisory locks are per database, so this is one that nobody drops.
    database: "postgres",
    application_name: `${name}-owner-${process.pid}`,
    ...{ connectionTimeoutMillis: 5_000, query_timeout: 30_000 },
  });
  const { promise: lost, resolve } = Promise.withResolvers<void>();
  const lock = { held: true, lost, release: () => client.connection.stream.destroy() };
  const onEnd = () => {
    lock.held = false;
    resolve();
  };
  client.on("error", onEnd).on("end", onEnd);
  try {
    await client.connect();
    for (const start = performance.now(); ; await sleep(50)) {
      const [row] = (await client.query(TRY_LOCK, LOCK_KEY)).rows;
      if (row.locked) break;
      const pid = Number(row.holder);
      // A killed process, which may not be reaped yet, has the lock until the server notices.
      const limitMs = pid > 0 && processExists(pid) ? 500 : 5_000;
      if (performance.now() - start > limitMs) throw new DataDirectoryInUseError(root, pid);
    }
    const create = client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    await create.catch(ignore("42P04")); // It exists already.
  } catch (error) {
    lock.release();
    // Wrong password, or no such user.
    if (!["28P01", "28000"].includes((error as pg.DatabaseError).code ?? "")) throw error;
    failed("password", `the server that runs in ${root} refuses its password`)(error as Error);
  }
  // Part of pg, missing from its types: the connection no longer keeps Node alive.
  (client as pg.Client & { unref(): void }).unref();
  return lock;
}
