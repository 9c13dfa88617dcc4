import { randomInt } from "node:crypto";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as net from "node:net";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";
import { EmbeddedPostgresError, failed } from "./errors.ts";
import { isPostmaster } from "./pid-file.ts";

const CHUNK = 64 * 1024;
const DEFAULTS = ["max_connections=100", "timezone=UTC", "log_timezone=UTC", "log_checkpoints=off"];
if (process.platform === "linux") DEFAULTS.push("client_connection_check_interval=1s");
const EPHEMERAL = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
/**
 * Who can connect, and that no statement or parameter, which could be a secret, gets into the log.
 * Not in an error either, which may quote its input: the level `log` leaves out all but fatal ones.
 */
const FIXED = `listen_addresses=127.0.0.1 unix_socket_directories=
  logging_collector=off log_destination=stderr log_min_messages=log log_error_verbosity=terse
  log_statement=none log_duration=off log_min_duration_statement=-1 log_min_duration_sample=-1
  log_transaction_sample_rate=0 log_min_error_statement=panic
  log_parameter_max_length=0 log_parameter_max_length_on_error=0`.split(/\s+/);

/**
 * Starts a server and waits until it accepts connections. pg_ctl gives it a session and a log of its
 * own: it outlives this process, and Ctrl-C in a terminal does not reach it.
 */
export async function startServer(cluster: Cluster, port: number): Promise<void> {
  const { root, pgdata, logFile, native, runAs } = cluster;
  if (logSize(logFile) > 10 * 1024 * 1024) await fs.rename(logFile, `${logFile}.1`);
  await fs.appendFile(logFile, "", { mode: 0o600 });
  if (runAs) await fs.chown(logFile, runAs.uid, runAs.gid);
  const logStart = logSize(logFile);
  // PostgreSQL takes `Log-Statement` for `log_statement`, and the last of the same name.
  const rename = (name: string) => name.toLowerCase().replaceAll("-", "_");
  const settings = Object.entries(cluster.settings).map(([name, v]) => `${rename(name)}=${v}`);
  const all = [...DEFAULTS, ...(cluster.ephemeral ? EPHEMERAL : []), ...settings, ...FIXED];
  const options = ["-D", pgdata, "-p", `${port}`, ...all.flatMap((setting) => ["-c", setting])];
  // Relative, since pg_ctl looks there as well as putting it into the command.
  const args = ["start", "--wait", "--timeout=120", "--pgdata", "postgres"];
  args.push("-o", options.map((option) => `"${inShell(option)}"`).join(" "));
  args.push("-p", inShell(path.join(native, "bin", "postgres")), "-l", inShell(logFile));
  await cluster.runTool("pg_ctl", args).catch((error: Error) => {
    const tail = Math.max(logStart, logSize(logFile) - CHUNK);
    const logged = readLog(logFile, tail).trim().split("\n").slice(-5).join(" | ");
    failed("server", `PostgreSQL did not start in ${root}`)(logged ? new Error(logged) : error);
  });
}

/** pg_ctl makes a shell command of its arguments, in double quotes, and escapes nothing. */
function inShell(text: string): string {
  return process.platform === "win32" ? text : text.replaceAll(/["$`\\]/g, "\\$&");
}

/** Shuts the server down and waits until it is gone. Takes 30 s at most. */
export async function stopServer({ pgdata, runTool }: Cluster, pid: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  const stop = (...mode: string[]) => runTool("pg_ctl", ["stop", "-D", pgdata, ...mode]);
  const fast = stop("--mode=fast", "--timeout=20");
  // "immediate" writes no checkpoint, and leaves recovery to the next start.
  const stopped = fast.catch(() => stop("--mode=immediate", "--timeout=10"));
  const problem = await stopped.then(
    () => new Error("it is still there"),
    (error: Error) => error,
  );
  // pg_ctl waits until the pid file is gone, which is a moment before the process is.
  for (; isPostmaster(pid, pgdata); await sleep(10)) {
    if (Date.now() > deadline) failed("server", `process ${pid} was not stopped`)(problem);
  }
}

/** The cluster's last port, so that a URL somebody noted down stays valid, or any free one. */
export async function choosePort(pgdata: string): Promise<number> {
  const options = await fs.readFile(path.join(pgdata, "postmaster.opts"), "utf8").catch(() => "");
  // Below those for outgoing connections, of which one could hold the port after a crash.
  const anyPort = () => randomInt(15_000, 32_767);
  let port = Number(/"-p" "(\d+)"/.exec(options)?.[1] ?? anyPort());
  for (let tries = 0; tries < 100; tries++) {
    if (await isFree(port)) return port;
    port = anyPort();
  }
  throw new EmbeddedPostgresError("server", "no free port was found on 127.0.0.1");
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = net.createServer().once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}

/** Passes on the lines from `start` on. Returns how to pass on the rest and to end that. */
export function followLog(file: string, start: number, log: (line: string) => void): () => void {
  let [offset, rest] = [start, ""];
  const poll = () => {
    // Renamed at a restart of the server, and begun anew.
    if (logSize(file) < offset) [offset, rest] = [0, ""];
    for (let chunk = readLog(file, offset); chunk !== ""; chunk = readLog(file, offset)) {
      offset += chunk.length;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) log(`postgres: ${line}`);
    }
  };
  const timer = setInterval(poll, 1_000).unref();
  return () => {
    clearInterval(timer);
    poll();
  };
}

/** At most 64 KiB, in latin1, in which each character is a byte. */
function readLog(file: string, offset: number): string {
  if (logSize(file) <= offset) return "";
  const buffer = Buffer.alloc(CHUNK);
  const descriptor = openSync(file, "r");
  try {
    return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, CHUNK, offset));
  } finally {
    closeSync(descriptor);
  }
}

export function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
