import { readFileSync, readlinkSync, rmSync } from "node:fs";
import * as path from "node:path";

/**
 * The running postmaster of a cluster. A pid file whose id another process has by now, as happens in
 * containers, would keep PostgreSQL from starting for ever: it is removed.
 */
export function findPostmaster(pgdata: string) {
  const found = readPidFile(pgdata);
  if (found === undefined || isPostmaster(found.pid, pgdata)) return found;
  if (processExists(found.pid) && readPidFile(pgdata)?.pid === found.pid) {
    rmSync(path.join(pgdata, "postmaster.pid"), { force: true });
  }
  return undefined;
}

/** Undefined without a complete pid file. The port is 0 in the first moments of a server. */
export function readPidFile(pgdata: string): { pid: number; port: number } | undefined {
  const text = attempt(() => readFileSync(path.join(pgdata, "postmaster.pid"), "utf8"));
  const [pid, , , port] = text?.split("\n").map(Number) ?? [];
  return pid ? { pid, port: port || 0 } : undefined;
}

/**
 * Whether the process is this cluster's postmaster. The id may be another's by now, or a zombie's,
 * which has no command line, where nobody reaps orphans. Without /proc, existence has to do.
 */
export function isPostmaster(pid: number, pgdata: string): boolean {
  if (process.platform !== "linux") return processExists(pid);
  const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0]);
  // In a container, root may be forbidden to look at the directory of another user's process.
  const directory = attempt(() => readlinkSync(`/proc/${pid}/cwd`)) ?? pgdata;
  return path.basename(command ?? "") === "postgres" && directory === pgdata;
}

export function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
