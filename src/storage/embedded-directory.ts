import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";

/** The user that PostgreSQL runs as. It refuses to run as root. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** Paths inside a data directory. All of them are real paths: no symbolic link on the way. */
export interface Layout {
  readonly root: string;
  /** PGDATA. */
  readonly cluster: string;
  readonly passwordFile: string;
  readonly logFile: string;
}

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
const STALE_AFTER_MS = 3_600_000;
const PASSWORD_FILE = "postgres-password";
const CLUSTER = "postgres";

/** Temporary siblings in use by this process, which the clean-up must not take for left-overs. */
const activeTemporaries = new Set<string>();

/**
 * Creates the data directory where it is missing, and makes sure that nobody else can write to it.
 * A directory that was there before and holds other things keeps its mode as far as that is safe:
 * a SESSIOND_DATA_DIR that points to `/var/lib` must not change who can list `/var/lib`.
 */
export async function prepareDirectory(directory: string): Promise<Layout> {
  const uid = process.getuid?.();
  const wanted = uid === 0 ? 0o711 : 0o700;
  const root = await createDirectory(path.resolve(directory), wanted);
  const stats = await fs.stat(root);
  if (uid !== undefined) {
    if (stats.uid !== uid) {
      throw new Error(
        `the data directory ${root} belongs to user id ${stats.uid}, but sessiond runs as user id ${uid}: ` +
          "run sessiond as that user, change the owner, or set SESSIOND_DATA_DIR to another directory",
      );
    }
    const mode = stats.mode & 0o7777;
    const names = await fs.readdir(root);
    if (names.length === 0 || names.includes(PASSWORD_FILE)) {
      if (mode !== wanted) await fs.chmod(root, wanted);
    } else if ((mode & STICKY) !== 0 && (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new Error(
        `the data directory ${root} is shared with other users: ` +
          "set SESSIOND_DATA_DIR to a directory that is sessiond's own",
      );
    } else {
      const safe = (uid === 0 ? mode | 0o111 : mode) & ~WRITABLE_BY_OTHERS;
      if (mode !== safe) await fs.chmod(root, safe);
    }
  }
  return {
    root,
    cluster: path.join(root, CLUSTER),
    passwordFile: path.join(root, PASSWORD_FILE),
    logFile: path.join(root, "postgres.log"),
  };
}

async function createDirectory(directory: string, mode: number): Promise<string> {
  try {
    const first = await fs.mkdir(directory, { recursive: true, mode });
    // The umask may have taken bits away that PostgreSQL's user needs, from every new directory.
    let created = directory;
    while (first !== undefined && (created === first || created.startsWith(first + path.sep))) {
      await fs.chmod(created, mode);
      created = path.dirname(created);
    }
    return await fs.realpath(directory);
  } catch (error) {
    throw new Error(
      `the data directory ${directory} cannot be created (${errorCode(error) ?? String(error)}): ` +
        "set SESSIOND_DATA_DIR to a directory that this user may write to",
      { cause: error },
    );
  }
}

/**
 * Decides which user PostgreSQL runs as, and makes that user the owner of an existing cluster.
 * Returns undefined when it is the user of this process.
 */
export async function chooseUser(layout: Layout): Promise<RunAs | undefined> {
  const uid = process.getuid?.();
  if (uid === undefined) return undefined;
  const cluster = await statOrUndefined(layout.cluster);
  if (uid !== 0) {
    if (cluster !== undefined && cluster.uid !== uid) {
      throw new Error(
        `${layout.cluster} belongs to user id ${cluster.uid}, but sessiond runs as user id ${uid}: ` +
          "run sessiond as the user that created it, or set SESSIOND_DATA_DIR to another directory",
      );
    }
    return undefined;
  }
  // An existing cluster keeps its owner, so that a `postgres` user which somebody adds later, or
  // the copy of a cluster that an ordinary user made, needs no change of thousands of files.
  if (cluster !== undefined && cluster.uid !== 0) return { uid: cluster.uid, gid: cluster.gid };
  const user = await unprivilegedUser();
  if (cluster !== undefined) await changeOwner(layout.cluster, user);
  return user;
}

/** `postgres` if there is one, else `nobody`: initdb wants a user that /etc/passwd knows. */
async function unprivilegedUser(): Promise<RunAs> {
  const users = new Map<string, RunAs>();
  for (const line of (await fs.readFile("/etc/passwd", "utf8")).split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (name !== undefined && Number(uid) > 0 && Number(gid) >= 0) {
      users.set(name, { uid: Number(uid), gid: Number(gid) });
    }
  }
  const user = users.get("postgres") ?? users.get("nobody");
  if (user === undefined) {
    throw new Error(
      "PostgreSQL does not run as root, and /etc/passwd has neither a user 'postgres' nor 'nobody': " +
        "run sessiond as an ordinary user, or set SESSIOND_DATABASE_URL to a PostgreSQL server",
    );
  }
  return user;
}

async function changeOwner(directory: string, user: RunAs): Promise<void> {
  for (const entry of await fs.readdir(directory, { recursive: true })) {
    await fs.lchown(path.join(directory, entry), user.uid, user.gid);
  }
  await fs.lchown(directory, user.uid, user.gid);
}

/** Refuses a data directory that PostgreSQL's user cannot get to. */
export async function checkReachable(layout: Layout, user: RunAs): Promise<void> {
  const blocked = await firstBlocked(layout.root, user);
  if (blocked !== undefined) {
    throw new Error(
      `sessiond runs as root and PostgreSQL as user id ${user.uid}, which may not enter ${blocked}, ` +
        `so it cannot reach the data directory ${layout.root}: set SESSIOND_DATA_DIR to a directory ` +
        "that every user may enter, such as /var/lib/sessiond",
    );
  }
}

/** The outermost directory on the way to and including `directory` that the user may not enter. */
export async function firstBlocked(directory: string, user: RunAs): Promise<string | undefined> {
  const steps = [directory];
  for (let step = directory; step !== path.dirname(step); ) {
    step = path.dirname(step);
    steps.unshift(step);
  }
  for (const step of steps) {
    if (!permits(await fs.stat(step), user, 0o1)) return step;
  }
  return undefined;
}

/** Whether the mode bits (4 read, 2 write, 1 execute or enter) are granted to the user. */
export function permits(stats: Stats, user: RunAs, bits: number): boolean {
  const shift = stats.uid === user.uid ? 6 : stats.gid === user.gid ? 3 : 0;
  return ((stats.mode >> shift) & bits) === bits;
}

/**
 * The superuser's password: the one that was stored when the directory was created, or a new one.
 * The file appears complete or not at all, and the first of two processes wins, so that both use
 * the same password whichever of them creates the cluster.
 */
export async function loadPassword(layout: Layout): Promise<string> {
  const stored = await readPassword(layout);
  if (stored !== undefined) return stored;
  if ((await statOrUndefined(layout.cluster)) !== undefined) {
    if ((await fs.readdir(layout.cluster)).length > 0) {
      // Another process may have created both in between, the password always first.
      const late = await readPassword(layout);
      if (late !== undefined) return late;
      throw new Error(
        `${layout.cluster} holds a database, but its password in ${layout.passwordFile} is missing: ` +
          "restore that file, or move the directory away to start with an empty database",
      );
    }
  }
  const temporary = temporarySibling(layout.passwordFile);
  try {
    const file = await fs.open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${randomBytes(32).toString("base64url")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // link, not rename: it fails where the name exists, instead of replacing the other's password.
    await fs.link(temporary, layout.passwordFile).catch((error: unknown) => {
      if (errorCode(error) !== "EEXIST") throw error;
    });
    await syncDirectory(layout.root);
  } finally {
    await removeTemporary(temporary);
  }
  const password = await readPassword(layout);
  if (password === undefined) throw new Error(`${layout.passwordFile} has disappeared`);
  return password;
}

async function readPassword(layout: Layout): Promise<string | undefined> {
  try {
    const password = (await fs.readFile(layout.passwordFile, "utf8")).trim();
    // It goes into a URL and into a file that initdb reads by the line.
    if (!/^[A-Za-z0-9_-]{16,}$/.test(password)) {
      throw new Error(`${layout.passwordFile} does not hold a password that sessiond has made`);
    }
    return password;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A name beside `file` for something unfinished. Pass it to `removeTemporary` at the end. */
export function temporarySibling(file: string): string {
  const temporary = `${file}.tmp-${process.pid}-${randomBytes(6).toString("hex")}`;
  activeTemporaries.add(temporary);
  return temporary;
}

/** Removes what `temporarySibling` named, if it is still there. */
export async function removeTemporary(temporary: string): Promise<void> {
  await fs.rm(temporary, { recursive: true, force: true });
  activeTemporaries.delete(temporary);
}

/**
 * Removes what processes that were killed left unfinished. What a living process may still be
 * working on stays; its process id may have been given to another one since, hence the age limit.
 */
export async function removeLeftovers(layout: Layout): Promise<void> {
  for (const name of await fs.readdir(layout.root)) {
    const pid = /\.tmp-(\d+)-[0-9a-f]{12}$/.exec(name)?.[1];
    const entry = path.join(layout.root, name);
    if (pid === undefined || activeTemporaries.has(entry)) continue;
    const stats = await statOrUndefined(entry);
    if (stats === undefined) continue;
    const own = Number(pid) === process.pid;
    if (own || !processExists(Number(pid)) || Date.now() - stats.mtimeMs > STALE_AFTER_MS) {
      await fs.rm(entry, { recursive: true, force: true });
    }
  }
}

/** Whether a process of this id exists, whoever runs it. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** Makes the names in a directory durable. Windows cannot open a directory for that. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await fs.open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function statOrUndefined(file: string): Promise<Stats | undefined> {
  try {
    return await fs.stat(file);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The `code` of a system or PostgreSQL error. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return error.code;
  }
  return undefined;
}
