import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, openCluster } from "./cluster.ts";
import { removeLeftovers } from "./data-directory.ts";
import { DataDirectoryInUseError, EmbeddedPostgresError, failed } from "./errors.ts";
import { lockDatabase } from "./lock.ts";
import type { EmbeddedPostgresOptions } from "./options.ts";
import { findPostmaster } from "./pid-file.ts";
import { choosePort, followLog, logSize, startServer, stopServer } from "./server.ts";

export { DataDirectoryInUseError, EmbeddedPostgresError, type ErrorKind } from "./errors.ts";
export type { EmbeddedPostgresOptions } from "./options.ts";

/** A running PostgreSQL in a data directory that no other process uses. */
export type EmbeddedPostgres = Awaited<ReturnType<typeof startEmbeddedPostgres>>;

const RETRY_MS = 200;

/**
 * Starts PostgreSQL in the data directory, or takes over the server that a killed process has left
 * there. It does not keep Node alive: a process that ends without `stop()` leaves PostgreSQL running.
 *
 * @throws EmbeddedPostgresError such as DataDirectoryInUseError
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions) {
  const cluster = await openCluster(options);
  const { root, password, log } = cluster;
  const logStart = logSize(cluster.logFile);
  await using stack = new AsyncDisposableStack();
  let server = await startOrTakeOver(cluster);
  const stopFollowing = followLog(cluster.logFile, logStart, log);
  stack.defer(stopFollowing);
  stack.defer(() => void server.lock.release());
  if (!server.wasRunning) stack.defer(() => stopServer(cluster, server.pid).catch(() => {}));
  const { pid, port, wasRunning } = server;
  // A running one may use binaries of another version.
  if (!wasRunning) await removeLeftovers(root, cluster.native);
  const verb = wasRunning ? "was running" : "started";
  log(`PostgreSQL ${verb} (process ${pid}, port ${port}, ${root})`);
  const stopping = new AbortController();
  const { signal } = stopping;
  const running = keepRunning();
  async function keepRunning(): Promise<void> {
    while (!signal.aborted) {
      await server.lock.lost;
      if (signal.aborted) return;
      server = await startAndLock(cluster, port).catch(async (error: Error) => {
        log(`PostgreSQL is not back yet: ${error.message}`);
        await sleep(RETRY_MS, undefined, { ref: false, signal }).catch(() => {});
        return server;
      });
    }
  }
  async function stop(): Promise<void> {
    stopping.abort();
    if (!server.lock.held) await running;
    const left = findPostmaster(cluster.pgdata);
    // If the server does not answer, no process can hold its lock.
    const locked = server.lock.held ? undefined : lockDatabase(cluster, port);
    const taken = await locked?.catch((error: unknown) => error instanceof DataDirectoryInUseError);
    if (left !== undefined && taken !== true) await stopServer(cluster, left.pid);
    log(`PostgreSQL ${taken === true ? "goes on for another process" : "stopped"}`);
  }
  const name = encodeURIComponent(cluster.name);
  stack.move();
  let stopped: Promise<void> | undefined;
  return {
    /** Stays valid when the server dies and is started again. */
    url: `postgres://${name}:${password}@127.0.0.1:${port}/${name}`,
    port,
    /** The postmaster's process id. Another one after the server has died and been restarted. */
    get pid(): number {
      return server.pid;
    },
    dataDirectory: root,
    /** By the start: no data, data without a server, or a server that was left running. */
    found: wasRunning ? ("running" as const) : cluster.found,
    /**
     * Shuts PostgreSQL down and waits until it is gone, 30 s at most, unless it is just being
     * started again. May be called again. A server that another process has taken over goes on.
     */
    stop(): Promise<void> {
      stopped ??= stop().finally(() => {
        // Only now: no other process may take over a server that is about to end.
        server.lock.release();
        stopFollowing();
      });
      return stopped;
    },
  };
}

async function startOrTakeOver(cluster: Cluster) {
  const deadline = Date.now() + 120_000;
  let startedPid: number | undefined;
  for (let failures = 0; ; await sleep(RETRY_MS)) {
    try {
      const server = await startAndLock(cluster, undefined, (pid) => {
        startedPid = pid;
      });
      return { ...server, wasRunning: server.pid !== startedPid };
    } catch (error) {
      // Another process may have started a server, or taken the port. Errors that are not ours come
      // from a server that is starting up, recovering or shutting down.
      const isOurs = error instanceof EmbeddedPostgresError;
      const isFinal = isOurs && (error.kind !== "server" || ++failures === 3);
      if (!isFinal && Date.now() <= deadline) continue;
      // Not if another process has taken it over.
      const isLeft = startedPid !== undefined && findPostmaster(cluster.pgdata)?.pid === startedPid;
      if (isLeft && !(error instanceof DataDirectoryInUseError)) {
        await stopServer(cluster, startedPid ?? 0).catch(() => {});
      }
      if (isFinal) throw error;
      failed("server", "PostgreSQL is not ready")(error as Error);
    }
  }
}

/**
 * Finds the server running or starts it, and locks it. Uses `port` if it is set, because
 * connection pools already use it.
 */
async function startAndLock(cluster: Cluster, port?: number, onStart?: (pid: number) => void) {
  const running = findPostmaster(cluster.pgdata);
  if (running === undefined) await startServer(cluster, port ?? (await choosePort(cluster.pgdata)));
  const server = running ?? findPostmaster(cluster.pgdata);
  if (server === undefined || server.port !== (port ?? server.port)) {
    throw new Error(`PostgreSQL does not run on port ${port}`);
  }
  if (running === undefined) onStart?.(server.pid);
  const lock = await lockDatabase(cluster, server.port);
  return { ...server, lock, wasRunning: running !== undefined };
}
