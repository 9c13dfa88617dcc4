import { setTimeout as delay } from "node:timers/promises";
import type { RunningServer, ServerCommand } from "./child.ts";
import type { Context } from "./context.ts";
import type { Fixture } from "./fixture.ts";
import { formatBytes, whole } from "./format.ts";
import { evaluateGoal, type GoalResult } from "./goals.ts";
import { complain } from "./measure.ts";
import { openFiles, residentBytes } from "./proc.ts";

const CONNECTIONS = 10_000;
/** From when all connections are open: longer than the pause, also on a slow machine. */
const HOLD_MS = 10_000;
/** The load generator gives up earlier. */
const OPEN_LIMIT_MS = 20_000;
const PAUSE_MS = 5000;
const POLL_MS = 100;
/** So that the code of a call is loaded before. */
const FIRST_CALLS = 100;

/** Resident memory of sessiond's process, in bytes. Undefined if it cannot be read. */
export interface IdleResult {
  readonly connections: number;
  /** After a few calls. */
  readonly before: number | undefined;
  /** With all connections open, after a pause. */
  readonly open: number | undefined;
}

/** Measures the memory that idle connections take. Their part of the kernel's memory is not in it. */
export async function measureIdle(context: Context, fixture: Fixture): Promise<IdleResult[]> {
  const requests = await fixture.requests("validate");
  const limit = String(2 * CONNECTIONS);
  const command = fixture.sessiond({
    SESSIOND_MAX_CONNECTIONS: limit,
    SESSIOND_MAX_CONNECTIONS_PER_PEER: limit,
  });
  const { rounds } = context.options;
  const results: IdleResult[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const title = `${CONNECTIONS} idle connections, round ${round} of ${rounds}`;
    results.push(
      await context.progress.phase(title, () => measureRound(context, command, requests)),
    );
  }
  return results;
}

async function measureRound(
  context: Context,
  command: ServerCommand,
  requests: string,
): Promise<IdleResult> {
  return context.withServer(command, async (server) => {
    const call = async (options: { calls: number; connections?: number; holdMs?: number }) => {
      const result = await context.load({
        url: `${server.url}/sessiond.v1.SessionService/Validate`,
        protocol: "grpc",
        requests,
        order: "random",
        inFlight: 1,
        seed: 1,
        ...options,
      });
      complain(context, "idle connections", result);
    };
    await call({ calls: FIRST_CALLS });
    await delay(PAUSE_MS, undefined, { signal: context.signal });
    const before = await residentBytes(server.pid);
    const loading = call({ calls: 1, connections: CONNECTIONS, holdMs: HOLD_MS });
    const [open] = await Promise.all([whileOpen(context, server), loading]);
    return { connections: CONNECTIONS, before, open };
  });
}

/** The memory after a pause with all connections open. */
async function whileOpen(context: Context, server: RunningServer): Promise<number | undefined> {
  const { signal } = context;
  const deadline = performance.now() + OPEN_LIMIT_MS;
  for (;;) {
    const files = await openFiles(server.pid);
    if (files === undefined) return undefined;
    if (files >= CONNECTIONS) break;
    if (performance.now() > deadline)
      throw new Error(`only ${files} connections are open after 20 s`);
    await delay(POLL_MS, undefined, { signal });
  }
  await delay(PAUSE_MS, undefined, { signal });
  return residentBytes(server.pid);
}

function bytesEach({ connections, before, open }: IdleResult): number | undefined {
  return before === undefined || open === undefined ? undefined : (open - before) / connections;
}

export function evaluateIdle(results: readonly IdleResult[]): GoalResult {
  const figure = `memory for each of ${whole(CONNECTIONS)} idle connections`;
  return evaluateGoal(figure, { at: "most", value: 5000 }, results.map(bytesEach), "bytes");
}

export function idleLines(results: readonly IdleResult[]): string[] {
  const shown = (bytes: number | undefined) => (bytes === undefined ? "–" : formatBytes(bytes));
  return results.map(
    (result) =>
      `${result.connections} idle connections: ${shown(result.before)} before, ` +
      `${shown(result.open)} with them, ${shown(bytesEach(result))} each`,
  );
}
