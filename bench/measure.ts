import type { RunningServer } from "./child.ts";
import type { Context } from "./context.ts";
import { complaint, type LoadOptions, type LoadResult } from "./load.ts";
import { hasSchedstat, watchPeakMemory } from "./proc.ts";
import type { Sample, WarmUp } from "./sample.ts";

/** Before each measurement: the handshakes of its connections, and the headers of their first calls. */
export const CONNECTION_WARM_UP_MS = 300;
const WARM_UP_IN_FLIGHT = 64;
const MAX_WINDOW_MS = 500;
/** As many windows as a warm-up has at least, if its rates do not become steady. */
const WINDOWS = 12;

/** The path and the requests of a system. */
export interface Target {
  readonly system: string;
  readonly path: string;
  readonly protocol: LoadOptions["protocol"];
  readonly requests: string;
  readonly order: LoadOptions["order"];
  readonly tls?: LoadOptions["tls"];
}

export interface Window {
  readonly inFlight: number;
  readonly round: number;
  readonly durationMs: number;
}

function loadOf(server: RunningServer, target: Target, round: number, inFlight: number) {
  const { path, protocol, requests, order, tls } = target;
  return {
    url: `${server.url}${path}`,
    protocol,
    requests,
    order,
    inFlight,
    // Different for each round and number of calls in flight, but equal for all systems.
    seed: round * 1000 + inFlight,
    ...(tls !== undefined && { tls }),
  };
}

/** Makes calls until their rates are steady, at most for `limitMs`. */
export async function warmUp(
  context: Context,
  server: RunningServer,
  target: Target,
  { round, limitMs }: { readonly round: number; readonly limitMs: number },
): Promise<WarmUp> {
  const windowMs = Math.min(MAX_WINDOW_MS, Math.floor(limitMs / WINDOWS));
  const result = await context.load({
    ...loadOf(server, target, round, WARM_UP_IN_FLIGHT),
    untilSteady: { windowMs, limitMs },
    // The load generator cannot end without a measurement.
    calls: 1,
  });
  complain(context, `${target.system} during its warm-up`, result);
  return { system: target.system, round, seconds: result.warmupSeconds, steady: result.steady };
}

/** Runs the load generator against a server, and measures the server's CPU time and memory. */
export async function measure(
  context: Context,
  server: RunningServer,
  target: Target,
  { inFlight, round, durationMs }: Window,
): Promise<Sample> {
  const { postmasterPid } = context.server;
  const serverPid = hasSchedstat(server.pid) ? server.pid : undefined;
  const memory = await watchPeakMemory(server.pid);
  const result = await context.load({
    ...loadOf(server, target, round, inFlight),
    warmUpMs: CONNECTION_WARM_UP_MS,
    durationMs,
    ...(serverPid !== undefined && { serverPid }),
    ...(postmasterPid !== undefined && { databasePid: postmasterPid }),
  });
  complain(context, `${target.system} at ${inFlight} in flight`, result);
  const perCall = (pid: number | undefined, cpuSeconds: number) =>
    pid === undefined ? undefined : (cpuSeconds / counted(result)) * 1e6;
  return {
    system: target.system,
    inFlight,
    round,
    calls: result.calls,
    errors: result.errors,
    answered: result.answered,
    seconds: result.seconds,
    perSecond: result.perSecond,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    serverCpuUs: perCall(serverPid, result.serverCpuSeconds),
    databaseCpuUs: perCall(postmasterPid, result.databaseCpuSeconds),
    peakMemoryBytes: await memory.stop(),
    generatorCpuShare: result.cpuSeconds / result.seconds,
  };
}

function counted({ calls, errors }: LoadResult): number {
  return Math.max(1, calls + errors);
}

/** Records wrong responses, so that the run fails at the end. */
export function complain(context: Context, where: string, result: LoadResult): void {
  const problem = complaint(result);
  if (problem === undefined) return;
  context.complaints.push(`${where}: ${problem}`);
  context.progress.note(`${where}: ${problem}`);
}
