import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT, runProgram } from "./child.ts";

const GO_MISSING =
  "the load generator is written in Go, and there is no `go` on PATH: install Go from " +
  "https://go.dev/dl/ or your system's packages (golang-go)";

export interface LoadOptions {
  readonly url: string;
  readonly protocol: "grpc" | "http1";
  readonly requests: string;
  readonly order: "random" | "sequential";
  readonly inFlight: number;
  /** How long calls are measured, unless `calls` ends the run. */
  readonly durationMs?: number;
  /** How many calls are measured. */
  readonly calls?: number;
  readonly seed: number;
  readonly connections?: number;
  /** How long connections are open without calls, before the first call and after the last one. */
  readonly holdMs?: number;
  /** How long calls are made before they are measured; 0 by default. */
  readonly warmUpMs?: number;
  /** Instead: until the rates of windows of this length are steady, at most for the limit. */
  readonly untilSteady?: { readonly windowMs: number; readonly limitMs: number };
  /** The value of the Authorization header. */
  readonly authorization?: string;
  /** Files in PEM form: whom to trust, and what the client presents. */
  readonly tls?: { readonly ca: string; readonly certificate?: string; readonly key?: string };
  /** The process whose CPU time, with that of its descendants, is measured with the calls. */
  readonly serverPid?: number;
  /** The same for PostgreSQL's first process. */
  readonly databasePid?: number;
}

/** The report of the load generator. */
export interface LoadResult {
  readonly calls: number;
  readonly errors: number;
  /** All calls, those of the warm-up and after the measurement included. */
  readonly answered: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly samples: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  readonly meanUs: number;
  readonly cpuSeconds: number;
  /** The CPU time of `serverPid` while calls were measured; 0 without it. */
  readonly serverCpuSeconds: number;
  readonly databaseCpuSeconds: number;
  readonly warmupSeconds: number;
  /** Whether `untilSteady` was reached. */
  readonly steady: boolean;
  readonly connections: number;
  /** Whether a sequential run sent all its requests before its end. */
  readonly exhausted: boolean;
}

export type LoadGenerator = (options: LoadOptions) => Promise<LoadResult>;

/** Builds the load generator; returns a function that runs it. */
export async function buildLoadGenerator(
  directory: string,
  signal: AbortSignal,
): Promise<LoadGenerator> {
  if (spawnSync("go", ["version"]).status !== 0) throw new Error(GO_MISSING);
  const binary = join(directory, "load");
  const build = await runProgram("go", ["build", "-o", binary, "."], {
    cwd: join(ROOT, "bench", "load"),
    signal,
  });
  if (build.code !== 0) throw new Error(`the load generator does not build:\n${build.stderr}`);
  return (options) => run(binary, options, signal);
}

async function run(binary: string, options: LoadOptions, signal: AbortSignal): Promise<LoadResult> {
  const flags: Record<string, string | number> = {
    url: options.url,
    protocol: options.protocol,
    requests: options.requests,
    order: options.order,
    "in-flight": options.inFlight,
    warmup: `${options.warmUpMs ?? 0}ms`,
    seed: options.seed,
    ...(options.connections !== undefined && { connections: options.connections }),
    ...(options.durationMs !== undefined && { duration: `${options.durationMs}ms` }),
    ...(options.calls !== undefined && { calls: options.calls }),
    ...(options.holdMs !== undefined && { hold: `${options.holdMs}ms` }),
    ...(options.authorization !== undefined && { authorization: options.authorization }),
    ...(options.tls !== undefined && tlsFlags(options.tls)),
    ...(options.untilSteady !== undefined && {
      "warmup-window": `${options.untilSteady.windowMs}ms`,
      "warmup-limit": `${options.untilSteady.limitMs}ms`,
    }),
    ...(options.serverPid !== undefined && { "server-pid": options.serverPid }),
    ...(options.databasePid !== undefined && { "database-pid": options.databasePid }),
  };
  const args = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
  const { code, stdout, stderr } = await runProgram(binary, args, { signal });
  if (code !== 0) {
    throw new Error(`the load generator failed (${code}) on ${options.url}: ${stderr.trim()}`);
  }
  return JSON.parse(stdout) as LoadResult;
}

function tlsFlags({ ca, certificate, key }: NonNullable<LoadOptions["tls"]>) {
  return { ca, ...(certificate && { cert: certificate }), ...(key && { key }) };
}

/** Describes the responses that were errors. Undefined if there were none. */
export function complaint({ calls, errors, samples }: LoadResult): string | undefined {
  if (errors === 0 && calls > 0) return undefined;
  return `${errors} of ${calls + errors} answers were errors: ${JSON.stringify(samples)}`;
}
