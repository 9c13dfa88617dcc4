import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { isPostmaster, readPidFile } from "../../packages/embedded-postgres/pid-file.ts";
import { GENEROUS_LIMITS, TEST_KEY_ENCRYPTION_KEY } from "./app.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { testCertificate } from "./test-certificate.ts";
import { until } from "./until.ts";

const ROOT = join(import.meta.dirname, "../..");

/** What a process says when it serves, with its address. */
export const BANNER = / listens on (\S+)[\s\S]*\n\n$/;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of ours and what it has said so far. */
export interface Started {
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  /**
   * Waits until its standard output matches and returns the first group. Without a limit: a machine
   * with a lot to do takes its time to start a process, and the test has a limit anyway.
   */
  says(pattern: RegExp): Promise<string>;
  /** Resolves when it has ended and everything that it said has been read. */
  readonly ended: Promise<Ended>;
  /** Resolves when it has ended, whatever is still to be read. */
  readonly exited: Promise<Pick<Ended, "code" | "signal">>;
  /** Begins to read standard error that was left unread. */
  read(): void;
  /** Closes the reading end of standard error. */
  hangUp(): void;
  /** Sends the signal without waiting for what comes of it. */
  signal(name: NodeJS.Signals): void;
  /** Sends the signal and waits for the end. */
  end(name: NodeJS.Signals): Promise<Ended>;
}

export interface Serving extends Started {
  /** As the banner says it. */
  readonly url: string;
  /** Over gRPC on HTTP/2, on a connection of its own. */
  readonly client: Client<typeof SessionService>;
}

export interface StartOptions {
  /** SESSIOND_* and whatever else the process is to see besides PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** For Node itself. */
  readonly nodeArgs?: readonly string[];
  /** Relative to the project, or absolute. */
  readonly script?: string;
  /** A program and its arguments that start sessiond, instead of Node. A process group of its own. */
  readonly command?: readonly [string, ...string[]];
  /** Leaves its standard error unread until `read` is called. */
  readonly unread?: boolean;
}

export function databaseEnv(database: Pick<TestDatabase, "url">): Record<string, string> {
  return {
    SESSIOND_DATABASE_URL: database.url,
    SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
    SESSIOND_SHUTDOWN_GRACE: "1m",
    ...GENEROUS_LIMITS,
  };
}

/** Nothing of this process's environment gets through but what every shell has. */
function cleanEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, SESSIOND_PORT: "0", ...extra };
}

/** The living postmaster of an embedded data directory. */
export async function postmasterOf(directory: string): Promise<{ pid: number } | undefined> {
  const pgdata = join(directory, "postgres");
  const file = readPidFile(pgdata);
  return file !== undefined && isPostmaster(file.pid, pgdata) ? file : undefined;
}

/** Starts a process, which is one of `children` until it has ended. */
export function startSessiond(
  options: StartOptions = {},
  children: Set<ChildProcess> = new Set(),
): Started {
  const { env, args = [], nodeArgs = [], script, command, unread } = options;
  const main = resolve(ROOT, script ?? "src/main.ts");
  const [program, ...rest] = command ?? [process.execPath, ...nodeArgs, main, ...args];
  const child = spawn(program, rest, {
    cwd: ROOT,
    env: cleanEnv(env),
    stdio: ["ignore", "pipe", "pipe"],
    detached: command !== undefined,
  });
  children.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  const read = () => {
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
  };
  if (unread !== true) read();
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  const ended = once(child, "close").then(([code, signal]): Ended => {
    children.delete(child);
    return { code, signal, stdout, stderr };
  });
  return {
    pid: child.pid ?? 0,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    says(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const look = () => {
        const match = pattern.exec(stdout);
        if (match !== null) resolve(match[1] ?? "");
      };
      child.stdout.on("data", look);
      look();
      ended.then(({ code, signal }) => reject(new Error(`${code ?? signal}: ${stderr}`)));
      return promise.finally(() => child.stdout.off("data", look));
    },
    ended,
    exited,
    read,
    hangUp: () => child.stderr.destroy(),
    signal: (name) => child.kill(name),
    end(name) {
      child.kill(name);
      return ended;
    },
  };
}

/** Starts processes, directories and databases that are gone after each test of the suite. */
export function useSessiond() {
  const children = new Set<ChildProcess>();
  const sessionManagers: SessionManager[] = [];
  const directories: string[] = [];
  const databases: TestDatabase[] = [];

  afterEach(async () => {
    for (const sessionManager of sessionManagers.splice(0)) sessionManager.abort();
    for (const child of [...children]) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
    for (const directory of directories.splice(0)) await removeDirectory(directory);
    for (const database of databases.splice(0)) await database.drop();
  });

  const start = (options: StartOptions = {}) => startSessiond(options, children);

  async function serve(options: StartOptions = {}): Promise<Serving> {
    const started = start(options);
    const url = await started.says(BANNER);
    const nodeOptions = { ca: testCertificate };
    const sessionManager = new SessionManager(url, undefined, nodeOptions);
    sessionManagers.push(sessionManager);
    const transport = createGrpcTransport({ baseUrl: url, sessionManager });
    // Not spread: what it has said so far is read by getters.
    return Object.assign(started, { url, client: createClient(SessionService, transport) });
  }

  return {
    start,
    /** Starts it and waits until its banner is out. */
    serve,
    /** Runs it to its end, which must come without its serving. */
    run(options: StartOptions = {}): Promise<Ended> {
      const started = start(options);
      const serving = started.says(/ listens on /).then((): never => {
        throw new Error("it serves");
      });
      return Promise.race([started.ended, serving]);
    },
    /** A directory that every user may enter, as an embedded PostgreSQL of root's needs it. */
    async directory(): Promise<string> {
      const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-test-"));
      directories.push(directory);
      await chmod(directory, 0o755);
      return directory;
    },
    async database(options: { empty?: boolean } = {}): Promise<TestDatabase> {
      const database = await createTestDatabase(options);
      databases.push(database);
      return database;
    },
  };
}

/** Ends what a killed process has left running there, and removes the directory. */
async function removeDirectory(directory: string): Promise<void> {
  const postmaster = await postmasterOf(directory);
  if (postmaster !== undefined) {
    process.kill(postmaster.pid, "SIGQUIT");
    await until("PostgreSQL has ended", async () => !(await postmasterOf(directory)));
  }
  await rm(directory, { recursive: true, force: true });
}
