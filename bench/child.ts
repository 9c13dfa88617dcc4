import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export const ROOT = join(import.meta.dirname, "..");
const KILL_AFTER_MS = 15_000;
const STDERR_KEPT = 4000;

/** A running server of the benchmark. */
export interface RunningServer {
  readonly pid: number;
  /** Such as `http://127.0.0.1:1234`, or with TLS `https://127.0.0.1:1234`. */
  readonly url: string;
  /** Stops the server. Rejects if it has already failed. Can be called more than once. */
  stop(): Promise<void>;
}

export interface ServerCommand {
  /** An absolute path. */
  readonly script: string;
  /** Options of Node, before the script. */
  readonly nodeArguments?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The environment of child processes: without settings from the user's shell. */
export function childEnvironment(extra: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, NODE_ENV: "production", ...extra };
}

const running = new Set<ChildProcess>();

/** Kills the child when this process exits. */
function killOnExit(child: ChildProcess): void {
  if (running.size === 0) process.once("exit", killRunning);
  running.add(child);
  child.once("exit", () => {
    running.delete(child);
    if (running.size === 0) process.off("exit", killRunning);
  });
}

function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Starts a server and waits until it prints the URL where it listens. */
export async function startServer({
  script,
  nodeArguments = [],
  env,
}: ServerCommand): Promise<RunningServer> {
  const child = spawn(process.execPath, [...nodeArguments, script], {
    cwd: ROOT,
    env: childEnvironment(env),
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C in a terminal reaches the whole process group; this process ends its children itself.
    detached: true,
  });
  killOnExit(child);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr = (stderr + chunk).slice(-STDERR_KEPT);
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(`it ended with ${code ?? signal}`));
  });
  const failure = async () => new Error(`${script} failed: ${await ended}\n${stderr.trim()}`);
  const url = await Promise.race([
    listeningUrl(child),
    failure().then((error) => Promise.reject(error)),
  ]);
  let stopping: Promise<void> | undefined;
  return {
    pid: child.pid as number,
    url,
    stop() {
      const alive = child.exitCode === null && child.signalCode === null;
      stopping ??= alive ? end(child) : failure().then((error) => Promise.reject(error));
      return stopping;
    },
  };
}

function listeningUrl(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    if (output.length > STDERR_KEPT) return;
    output += chunk;
    const url = / listens on (https?:\S+)/.exec(output)?.[1];
    if (url !== undefined) resolve(url);
  });
  return promise;
}

async function end(child: ChildProcess): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  child.kill("SIGTERM");
  await once(child, "exit");
  clearTimeout(timer);
}

export interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program until it exits. Rejects if it cannot be started or the signal fires. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; signal?: AbortSignal },
): Promise<Output> {
  const child = spawn(program, [...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const [[code], stdout, stderr] = await Promise.all([
    once(child, "close") as Promise<[number | null]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, stdout, stderr };
}
