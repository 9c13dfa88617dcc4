/** A real sessiond for a team's own tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ConnectOptions, connect, type SessiondClient } from "./connect.ts";

export interface TestSessiondOptions {
  /**
   * The program that starts sessiond, with its arguments. Unless set: SESSIOND_COMMAND, split at
   * spaces; else the installed package `sessiond`; else `npx --no sessiond`.
   */
  readonly command?: readonly [string, ...string[]];
  /** Further settings, such as `SESSIOND_IDLE_TIMEOUT`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** SESSIOND_COOKIE_SECURE: false gives cookies that tests can send over plain HTTP. */
  readonly cookieSecure?: boolean;
  /** For the client, such as `ca` if the settings have TLS. */
  readonly connect?: ConnectOptions;
}

export interface TestSessiond extends AsyncDisposable {
  /** Its address. */
  readonly url: string;
  readonly client: SessiondClient;
  /** Stops it and removes its data. Does nothing if it has been stopped. */
  stop(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
const MAX_OUTPUT_LENGTH = 64 * 1024;

/**
 * Starts a sessiond with an embedded PostgreSQL and an empty database, on a free port. Stop it when
 * the tests have ended.
 *
 * @throws Error with its output if it does not serve within a minute
 */
export async function createTestSessiond(options: TestSessiondOptions = {}): Promise<TestSessiond> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-test-"));
  // If this is root, PostgreSQL runs as another user, who has to get in.
  await chmod(directory, 0o755);
  const [program, ...args] = options.command ?? defaultCommand();
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(program, args, {
    env: {
      PATH,
      HOME,
      SESSIOND_PORT: "0",
      SESSIOND_DATA_DIR: directory,
      ...(options.cookieSecure !== undefined && {
        SESSIOND_COOKIE_SECURE: String(options.cookieSecure),
      }),
      ...options.settings,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  // A test run that forgets it leaves no process behind.
  const killAtExit = () => child.kill();
  process.once("exit", killAtExit);

  async function end(): Promise<void> {
    child.kill();
    await ended;
    process.off("exit", killAtExit);
    await rm(directory, { recursive: true, force: true });
  }

  try {
    const url = await listening(child, program);
    const client = connect(url, options.connect);
    let stopped: Promise<void> | undefined;
    const stop = () => {
      client.close();
      stopped ??= end();
      return stopped;
    };
    return { url, client, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await end();
    throw error;
  }
}

function defaultCommand(): [string, ...string[]] {
  const [program, ...args] = (process.env.SESSIOND_COMMAND ?? "").split(" ").filter(Boolean);
  if (program !== undefined) return [program, ...args];
  try {
    const manifest = createRequire(join(process.cwd(), "package.json")).resolve(
      "sessiond/package.json",
    );
    return [process.execPath, join(dirname(manifest), "bin", "sessiond.js")];
  } catch {
    return ["npx", "--no", "sessiond"];
  }
}

/** The address that it says it listens on. */
function listening(child: ChildProcess, program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    const fail = (what: string, cause?: unknown) => {
      clearTimeout(limit);
      reject(new Error(`sessiond (${program}) ${what}\n${stderr || stdout}`, { cause }));
    };
    const limit = setTimeout(fail, START_LIMIT_MS, "did not serve within a minute");
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(-MAX_OUTPUT_LENGTH);
      const [, url] = / listens on (\S+)/.exec(stdout) ?? [];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-MAX_OUTPUT_LENGTH);
    });
    child.once("error", (error) => fail(`cannot be started: ${error.message}`, error));
    child.once("close", (code, signal) => fail(`ended with ${code ?? signal}`));
  });
}
