import type { RunningServer } from "./child.ts";
import type { Context } from "./context.ts";
import { complaint, type LoadOptions, type LoadResult } from "./load.ts";
import { cpuSecondsOf, cpuSecondsOfTree, watchPeakMemory } from "./proc.ts";
import type { Sample } from "./sample.ts";

/** The path and the requests of a system. */
export interface Target {
  readonly system: string;
  readonly path: string;
  readonly protocol: LoadOptions["protocol"];
  readonly requests: string;
  readonly order: LoadOptions["order"];
}

export interface Window {
  readonly inFlight: number;
  readonly round: number;
  readonly durationMs: number;
}

/** Runs the load generator against a server, and measures the server's CPU time and memory. */
export async function measure(
  context: Context,
  server: RunningServer,
  target: Target,
  { inFlight, round, durationMs }: Window,
): Promise<Sample> {
  const { postmasterPid } = context.server;
  const databaseCpu = async () =>
    postmasterPid === undefined ? undefined : cpuSecondsOfTree(postmasterPid);
  const memory = await watchPeakMemory(server.pid);
  const databaseBefore = await databaseCpu();
  const serverBefore = await cpuSecondsOf(server.pid);
  const result = await context.load({
    url: `${server.url}${target.path}`,
    protocol: target.protocol,
    requests: target.requests,
    order: target.order,
    inFlight,
    durationMs,
    // Different for each round and number of calls in flight, but equal for all systems.
    seed: round * 1000 + inFlight,
  });
  const serverAfter = await cpuSecondsOf(server.pid);
  const databaseAfter = await databaseCpu();
  complain(context, `${target.system} at ${inFlight} in flight`, result);
  const perCall = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? undefined : ((to - from) / answered(result)) * 1e6;
  return {
    system: target.system,
    inFlight,
    round,
    calls: result.calls,
    errors: result.errors,
    seconds: result.seconds,
    perSecond: result.perSecond,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    serverCpuUs: perCall(serverBefore, serverAfter),
    databaseCpuUs: perCall(databaseBefore, databaseAfter),
    peakMemoryBytes: await memory.stop(),
    generatorCpuShare: result.cpuSeconds / result.seconds,
  };
}

function answered({ calls, errors }: LoadResult): number {
  return Math.max(1, calls + errors);
}

/** Records wrong responses, so that the run fails at the end. */
export function complain(context: Context, where: string, result: LoadResult): void {
  const problem = complaint(result);
  if (problem === undefined) return;
  context.complaints.push(`${where}: ${problem}`);
  context.progress.note(`${where}: ${problem}`);
}
