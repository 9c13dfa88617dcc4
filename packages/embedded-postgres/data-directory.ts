import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { EmbeddedPostgresError, failed, ignore } from "./errors.ts";
import { processExists } from "./pid-file.ts";
import { type RunAs, run } from "./run.ts";

/**
 * Creates the data directory if need be, and returns its real path. Nobody else may write to it.
 * If the directory contains other files, only unsafe permissions are removed.
 */
export async function prepareDirectory(directory: string, passwordFile: string): Promise<string> {
  // As root, PostgreSQL's user has to get in.
  const uid = process.getuid?.();
  const enter = uid === 0 ? 0o111 : 0;
  const created = fs.mkdir(directory, { recursive: true, mode: 0o700 | enter });
  const first = await created.catch(failed("directory", `${directory} cannot be created`));
  // The umask may have taken bits away that PostgreSQL's user needs, from every new directory.
  for (let made = directory; first && made.startsWith(first); made = path.dirname(made)) {
    await fs.chmod(made, 0o700 | enter);
  }
  const root = await fs.realpath(directory);
  const { uid: owner, mode } = await fs.stat(root);
  if (uid !== undefined && owner !== uid) {
    const message = `${root} belongs to user id ${owner}, but this process runs as user id ${uid}`;
    throw new EmbeddedPostgresError("directory", message);
  }
  const names = await fs.readdir(root);
  const isOurs = names.length === 0 || names.includes(passwordFile);
  // The sticky bit, and writable by others, as /tmp is.
  if (!isOurs && (mode & 0o1000) !== 0 && (mode & 0o022) !== 0) {
    throw new EmbeddedPostgresError("directory", `${root} is shared with other users`);
  }
  const wanted = isOurs ? 0o700 | enter : (mode | enter) & 0o7755;
  if ((mode & 0o7777) !== wanted) await fs.chmod(root, wanted);
  return root;
}

/** Chooses the user to run PostgreSQL as, which refuses to run as root. */
export async function chooseUser(root: string, pgdata: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string, name: string) => Number(await run("id", [flag, name], root));
  const idsOf = async (name: string) => ({ uid: await id("-u", name), gid: await id("-g", name) });
  // An existing cluster keeps its owner, also if somebody adds a user `postgres` later.
  const owner = await fs.stat(pgdata).catch(ignore("ENOENT"));
  const found = owner?.uid ? Promise.resolve(owner) : idsOf("postgres");
  const refused = "PostgreSQL does not run as root, and there is no user postgres or nobody";
  const user = await found.catch(() => idsOf("nobody")).catch(failed("platform", refused));
  if (owner?.uid === 0) await run("chown", ["-R", `${user.uid}:${user.gid}`, pgdata], root);
  // From the outside inwards, so that the error names the first directory in the way.
  const names = root.split(path.sep);
  for (let count = 1; count <= names.length; count++) {
    const directory = names.slice(0, count).join(path.sep) || path.sep;
    const { uid, gid, mode } = await fs.stat(directory);
    const mayEnter = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    const message = `PostgreSQL runs as user id ${user.uid}, since this process is root, and may not enter ${directory}, so it cannot reach ${root}`;
    if ((mode & mayEnter) === 0) throw new EmbeddedPostgresError("directory", message);
  }
  return { uid: user.uid, gid: user.gid };
}

/** The superuser's password: the stored one, or a new one if there is no cluster yet. */
export async function loadPassword(file: string, pgdata: string): Promise<string> {
  if (!existsSync(file) && isAbsent(pgdata)) {
    const temporary = temporaryName(file);
    const made = `${randomBytes(32).toString("base64url")}\n`;
    await fs.writeFile(temporary, made, { mode: 0o600, flush: true });
    // link, not rename: of two processes, the first one's password remains.
    await fs.link(temporary, file).catch(ignore("EEXIST"));
    await fs.rm(temporary);
  }
  const stored = await fs.readFile(file, "utf8").catch(ignore("ENOENT"));
  // It goes into a URL and into a file that initdb reads by the line.
  if (stored !== undefined && /^[\w-]{16,}\s*$/.test(stored)) return stored.trim();
  const message = `${file} does not hold the password of ${pgdata}: restore that file, or move both away to start with an empty database`;
  throw new EmbeddedPostgresError("password", message);
}

/** Creates a directory unless it exists. It appears complete or not at all; the first one wins. */
export async function createOnce(directory: string, fill: (temporary: string) => Promise<void>) {
  if (!isAbsent(directory)) return false;
  const temporary = temporaryName(directory);
  try {
    await fill(temporary);
    await fs.rename(temporary, directory);
  } catch (error) {
    // Else another process was faster.
    if (isAbsent(directory)) throw error;
  } finally {
    await fs.rm(temporary, { recursive: true, force: true });
  }
  return true;
}

/** An empty directory counts as absent. */
function isAbsent(directory: string): boolean {
  return !existsSync(directory) || readdirSync(directory).length === 0;
}

export function temporaryName(file: string): string {
  return `${file}.tmp-${process.pid}-${randomBytes(6).toString("hex")}`;
}

const UNFINISHED = /^(?:postgres|postgres-password|native-[^/]+)\.tmp-(\d+)-[0-9a-f]{12}$/;
const COPY = /^native-\d+\.\d+\.\d+(?:-[\w.]+)?$/;

/** Removes unfinished files of dead processes, and all copies of the binaries except `native`. */
export async function removeLeftovers(root: string, native: string): Promise<void> {
  const options = { recursive: true, force: true };
  for (const name of await fs.readdir(root)) {
    const file = path.join(root, name);
    const pid = Number(UNFINISHED.exec(name)?.[1] ?? 0);
    // In a container, every process that was killed may have had the id of this one.
    const isUnfinished = pid > 0 && (pid === process.pid || !processExists(pid));
    const isCopy = COPY.test(name) && existsSync(path.join(file, "pg-symlinks.json"));
    if (isUnfinished || (isCopy && file !== native)) await fs.rm(file, options);
  }
}
