import type { RunningServer, ServerCommand } from "./child.ts";
import type { Context } from "./context.ts";

/** A server of each item, side by side. */
export type Servers<T> = ReadonlyMap<T, RunningServer>;

/** Runs `work` with a running server of each item. Stops all of them afterwards. */
export async function withServers<T>(
  context: Context,
  [first, ...rest]: readonly T[],
  commandOf: (item: T) => ServerCommand,
  work: (servers: Servers<T>) => Promise<void>,
  started: Servers<T> = new Map(),
): Promise<void> {
  if (first === undefined) return work(started);
  await context.withServer(commandOf(first), (server) =>
    withServers(context, rest, commandOf, work, new Map([...started, [first, server]])),
  );
}
