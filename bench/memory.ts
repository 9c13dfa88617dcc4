import { setTimeout as delay } from "node:timers/promises";
import type { ServerCommand } from "./child.ts";
import type { Context } from "./context.ts";
import type { Fixture } from "./fixture.ts";
import { formatBytes, whole } from "./format.ts";
import { type Bound, evaluateGoal, type GoalResult } from "./goals.ts";
import { complain } from "./measure.ts";
import { residentBytes, watchPeakMemory } from "./proc.ts";
import { ratio } from "./statistics.ts";

const IN_FLIGHT = 10_000;
const CONNECTIONS = 1000;
const HOLD_MS = 5000;
const PAUSE_MS = 5000;
const DURATION_MS = 10_000;
const LIGHT_MS = 5000;
const LIGHT_IN_FLIGHT = 64;
const BOUND: Bound = { at: "most", value: 1.2 };

/** Resident memory of sessiond's process, in bytes. Undefined if it cannot be read. */
export interface MemoryResult {
  readonly inFlight: number;
  readonly connections: number;
  readonly calls: number;
  readonly p99Us: number;
  readonly fresh: number | undefined;
  /** After an ordinary load and a pause. */
  readonly before: number | undefined;
  readonly peak: number | undefined;
  /** After all connections are closed and a pause. */
  readonly after: number | undefined;
  /** The same after another ordinary load, during which V8's garbage collector runs. */
  readonly afterOrdinaryLoad: number | undefined;
}

/** Measures the memory with 10,000 calls in flight on 1000 connections, and afterwards. */
export async function measureMemory(context: Context, fixture: Fixture): Promise<MemoryResult[]> {
  const requests = await fixture.requests("validate");
  // So that all calls wait and none fails with OVERLOADED.
  const command = fixture.sessiond({
    SESSIOND_DATABASE_QUEUE_LIMIT: String(2 * IN_FLIGHT),
    SESSIOND_DATABASE_QUEUE_TIMEOUT: "1m",
    SESSIOND_DATABASE_CONNECT_TIMEOUT: "1m",
  });
  const { rounds } = context.options;
  const results: MemoryResult[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const title = `memory at ${IN_FLIGHT} calls in flight, round ${round} of ${rounds}`;
    results.push(await measureRound(context, command, requests, title));
  }
  return results;
}

async function measureRound(
  context: Context,
  command: ServerCommand,
  requests: string,
  title: string,
): Promise<MemoryResult> {
  return context.progress.phase(title, (report) =>
    context.withServer(command, async (server) => {
      const fresh = await residentBytes(server.pid);
      const call = async (inFlight: number, durationMs: number, more = {}) => {
        const result = await context.load({
          url: `${server.url}/sessiond.v1.SessionService/Validate`,
          protocol: "grpc",
          requests,
          order: "random",
          inFlight,
          durationMs,
          seed: inFlight,
          ...more,
        });
        complain(context, `Validate at ${inFlight} in flight`, result);
        return result;
      };
      const afterOrdinaryLoadAndPause = async () => {
        await call(LIGHT_IN_FLIGHT, LIGHT_MS);
        await delay(PAUSE_MS, undefined, { signal: context.signal });
        return residentBytes(server.pid);
      };
      report("ordinary load");
      const before = await afterOrdinaryLoadAndPause();
      report(`${CONNECTIONS} connections`);
      const watch = await watchPeakMemory(server.pid);
      const { calls, p99Us } = await call(IN_FLIGHT, DURATION_MS, {
        connections: CONNECTIONS,
        holdMs: HOLD_MS,
      });
      const peak = await watch.stop();
      report("pause");
      await delay(PAUSE_MS, undefined, { signal: context.signal });
      const after = await residentBytes(server.pid);
      report("ordinary load");
      const afterOrdinaryLoad = await afterOrdinaryLoadAndPause();
      return {
        inFlight: IN_FLIGHT,
        connections: CONNECTIONS,
        calls,
        p99Us,
        fresh,
        before,
        peak,
        after,
        afterOrdinaryLoad,
      };
    }),
  );
}

export function evaluateMemory(results: readonly MemoryResult[]): GoalResult[] {
  const where = `memory at ${whole(IN_FLIGHT)} calls in flight on ${whole(CONNECTIONS)} connections`;
  const againstBefore = (figure: "after" | "afterOrdinaryLoad") =>
    results.map((result) => ratio(result[figure], result.before));
  const peaks = results.map(({ peak }) => peak);
  return [
    evaluateGoal(where, { at: "most", value: 250e6 }, peaks, "bytes"),
    evaluateGoal("the same afterwards, against before", BOUND, againstBefore("after")),
    evaluateGoal(
      "the same after an ordinary load, against before",
      BOUND,
      againstBefore("afterOrdinaryLoad"),
    ),
  ];
}

export function memoryLines(results: readonly MemoryResult[]): string[] {
  const mb = (bytes: number | undefined) => (bytes === undefined ? "–" : formatBytes(bytes));
  return results.map(
    ({ fresh, before, peak, after, afterOrdinaryLoad, calls }) =>
      `fresh ${mb(fresh)}, after an ordinary load ${mb(before)}, at most ${mb(peak)} in ${calls} ` +
      `calls, afterwards ${mb(after)}, after another ordinary load ${mb(afterOrdinaryLoad)}`,
  );
}
