import { linkSync, readFileSync, readlinkSync, renameSync, rmSync } from "node:fs";
import * as path from "node:path";

/**
 * The running postmaster of a cluster. Removes a pid file whose process id now belongs to another
 * process. PostgreSQL would refuse to start.
 */
export function findPostmaster(pgdata: string) {
  const found = readPidFile(pgdata);
  if (found === undefined || isPostmaster(found.pid, pgdata)) return found;
  if (processExists(found.pid)) removePidFile(path.join(pgdata, "postmaster.pid"), found.pid);
  return undefined;
}

/** Another process may start a server meanwhile: what is removed is checked once it is aside. */
function removePidFile(file: string, stalePid: number): void {
  const aside = `${file}.tmp-${process.pid}`;
  attempt(() => {
    renameSync(file, aside);
    if (Number.parseInt(readFileSync(aside, "utf8"), 10) !== stalePid) linkSync(aside, file);
    rmSync(aside);
  });
}

/** Undefined without a complete pid file. The port is 0 in the first moments of a server. */
export function readPidFile(pgdata: string): { pid: number; port: number } | undefined {
  const text = attempt(() => readFileSync(path.join(pgdata, "postmaster.pid"), "utf8"));
  const [pid, , , port] = text?.split("\n").map(Number) ?? [];
  return pid ? { pid, port: port || 0 } : undefined;
}

/**
 * Whether the process is this cluster's postmaster. The id may belong to another process now,
 * or to a zombie, which has no command line. Without /proc, only the existence of the process is
 * checked.
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
