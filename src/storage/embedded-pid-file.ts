import * as fs from "node:fs/promises";
import * as path from "node:path";
import {
  errorCode,
  type Layout,
  processExists,
  removeTemporary,
  temporarySibling,
} from "./embedded-directory.ts";

/** The lines of `postmaster.pid` that matter here. */
export interface PidFile {
  readonly pid: number;
  readonly port: number;
  /** "starting", "ready", "stopping" or "standby". Empty in the first moments. */
  readonly status: string;
}

/** Reads `postmaster.pid`. Undefined if there is none, or not yet a complete one. */
export async function readPidFile(cluster: string): Promise<PidFile | undefined> {
  let text: string;
  try {
    text = await fs.readFile(path.join(cluster, "postmaster.pid"), "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3] ?? 0) || 0, status: (lines[7] ?? "").trim() };
}

/**
 * Whether the process of that id is this cluster's postmaster. Its existence does not prove it:
 * after a restart of the machine or the container the id may be another's, and where nobody reaps
 * orphans, a postmaster that ended remains as a zombie. Without /proc, existence has to do.
 */
export async function isPostmaster(pid: number, cluster: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    // EPERM: another user's process. This cluster's would be of this user, or this user is root.
    return false;
  }
  if (process.platform !== "linux") return true;
  let command: string[];
  try {
    command = (await fs.readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
  } catch {
    return processExists(pid);
  }
  if (command.includes(cluster)) return true;
  if (path.basename(command[0] ?? "") !== "postgres") return false;
  // Started by hand, perhaps, with another spelling of the directory.
  return await fs.readlink(`/proc/${pid}/cwd`).then(
    (directory) => directory === cluster,
    () => true,
  );
}

/**
 * Moves a pid file out of the way whose process is not a postmaster. PostgreSQL does that itself
 * if there is no process of that id. If there is, as it happens in containers, where the same few
 * ids come round again, it refuses to start for ever. That no server is left which this process
 * cannot see is still checked by PostgreSQL, through the shared memory that is tied to PGDATA.
 */
export async function clearStalePidFile(layout: Layout, stale: PidFile): Promise<void> {
  if (!processExists(stale.pid)) return;
  const file = path.join(layout.cluster, "postmaster.pid");
  const aside = temporarySibling(path.join(layout.root, "postmaster.pid"));
  try {
    await fs.rename(file, aside);
    const moved = await fs.readFile(aside, "utf8");
    // Between reading and renaming another process may have started a server: give it back.
    if (Number(moved.split("\n")[0]) !== stale.pid) await fs.link(aside, file);
  } catch (error) {
    if (errorCode(error) !== "ENOENT" && errorCode(error) !== "EEXIST") throw error;
  } finally {
    await removeTemporary(aside);
  }
}
