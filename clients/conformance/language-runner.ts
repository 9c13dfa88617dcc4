import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type App, callAnswerSchema, type Lacks, NO_RAW_JSON, type Stub } from "./clients.ts";

/** What the shell says, and so a `build` written for it, if a program is not installed. */
const EXIT_NOT_FOUND = 127;
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 10_000;
const CALL_LIMIT_MS = 60_000;

const WSGI: Lacks = {
  cookieHeaders: "servers join them with a comma, which a cookie may contain; browsers send one",
};

/** What the web servers below a middleware cannot do, by the names of the applications. */
const LIMITS_OF_SERVERS: Readonly<Record<string, Lacks>> = { wsgi: WSGI, django: WSGI };

/** The toolchain of a language is not installed. */
export class MissingToolchainError extends Error {}

/** A language whose runner could not be built, did not start or has broken the protocol. */
export class RunnerError extends Error {}

/** The directory of a language's runner: `clients/<language>/conformance`. */
export interface Language {
  readonly name: string;
  readonly directory: string;
}

/** All languages that have a runner, in the order of the table. */
export function findLanguages(clientsDirectory: string): readonly Language[] {
  const order = ["typescript", "grpc-js", "go", "python", "java", "rust"];
  const rank = ({ name }: Language) =>
    (order.indexOf(name) + order.length + 1) % (order.length + 1);
  return readdirSync(clientsDirectory)
    .map((name) => ({ name, directory: join(clientsDirectory, name, "conformance") }))
    .filter(({ directory }) => existsSync(join(directory, "run")))
    .sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/**
 * Builds the runner with its own `build`.
 *
 * @throws {MissingToolchainError} if that ends with 127: a program was not found
 * @throws {RunnerError} if it fails otherwise
 */
export async function build({ name, directory }: Language): Promise<void> {
  const program = join(directory, "build");
  if (!existsSync(program)) return;
  const child = spawn(program, { cwd: directory, stdio: ["ignore", 2, 2] });
  const [code, signal] = await once(child, "exit");
  if (code === EXIT_NOT_FOUND) throw new MissingToolchainError(`${name}: no toolchain`);
  if (code !== 0) throw new RunnerError(`${name}: build ended with ${code ?? signal}`);
}

const addresses = z.strictObject({
  calls: z.record(z.string(), z.url()).default({}),
  apps: z.record(z.string(), z.url()).default({}),
});

export interface Runner {
  readonly stubs: readonly Stub[];
  readonly apps: readonly App[];
  /** The last lines that it has logged. */
  readonly log: string;
  stop(): Promise<void>;
}

/** Starts the runner's `run` and waits until it says where its stubs and applications are. */
export async function startRunner(
  { name, directory }: Language,
  sessiondUrl: string,
): Promise<Runner> {
  const child = spawn(join(directory, "run"), {
    cwd: directory,
    env: { ...process.env, SESSIOND_URL: sessiondUrl },
    stdio: ["pipe", "pipe", "pipe"],
    // A process group of its own: `run` may be a script that starts others.
    detached: true,
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-20_000);
  });
  child.stdin.on("error", () => {});
  try {
    const said = await firstLine(child, name);
    const { calls, apps } = parseAddresses(said, name);
    return {
      stubs: Object.entries(calls).map(([stub, url]) => createStub(stub, url)),
      apps: Object.entries(apps).map(([app, url]) => ({
        name: app,
        url,
        lacks: LIMITS_OF_SERVERS[app] ?? {},
      })),
      get log() {
        return log;
      },
      stop: () => stop(child),
    };
  } catch (error) {
    await stop(child);
    throw new RunnerError(`${(error as Error).message}\n${log}`.trim());
  }
}

function parseAddresses(line: string, name: string) {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RunnerError(`${name}: its first line is not JSON: ${line}`);
  }
  const parsed = addresses.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new RunnerError(`${name}: its first line is wrong: ${z.prettifyError(parsed.error)}`);
}

async function firstLine(child: ChildProcess, name: string): Promise<string> {
  if (child.stdout === null) throw new Error("its standard output is not a pipe");
  const lines = createInterface({ input: child.stdout });
  const limit = new AbortController();
  const failed = Promise.race([
    once(child, "exit", limit).then(([code, signal]) => {
      throw new RunnerError(`${name}: run ended with ${code ?? signal}`);
    }),
    once(child, "error", limit).then(([error]) => {
      throw new RunnerError(`${name}: run cannot be started: ${error.message}`);
    }),
    sleep(START_LIMIT_MS, undefined, limit).then(() => {
      throw new RunnerError(`${name}: run has not said its addresses after ${START_LIMIT_MS} ms`);
    }),
  ]);
  try {
    const [line] = (await Promise.race([once(lines, "line", limit), failed])) as [string];
    return line;
  } finally {
    failed.catch(() => {});
    limit.abort();
    // What else it prints must not fill the pipe.
    child.stdout.resume();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.stdin?.end();
  const { pid } = child;
  const timer = setTimeout(() => process.kill(-pid, "SIGKILL"), STOP_LIMIT_MS);
  await once(child, "exit");
  clearTimeout(timer);
}

function createStub(name: string, url: string): Stub {
  return {
    name,
    lacks: { rawJson: NO_RAW_JSON },
    async call(request) {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(request),
        signal: AbortSignal.timeout(CALL_LIMIT_MS),
      });
      const text = await response.text();
      if (response.status !== 200)
        throw new RunnerError(`the runner says ${response.status}: ${text}`);
      return callAnswerSchema.parse(JSON.parse(text));
    },
  };
}
