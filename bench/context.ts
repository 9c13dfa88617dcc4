import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningServer, type ServerCommand, startServer } from "./child.ts";
import { type DatabaseServer, openDatabaseServer } from "./database.ts";
import { buildLoadGenerator, type LoadGenerator } from "./load.ts";
import type { Options } from "./options.ts";
import { Progress } from "./progress.ts";

/** What all parts of a benchmark run share. */
export interface Context {
  readonly options: Options;
  readonly progress: Progress;
  readonly server: DatabaseServer;
  readonly load: LoadGenerator;
  /** A temporary directory, which is removed at the end. */
  readonly directory: string;
  /** Fires when the run is interrupted. */
  readonly signal: AbortSignal;
  /** Closed at the end of the run. */
  readonly stack: AsyncDisposableStack;
  /** Calls with wrong responses. If there are any, the run fails at the end. */
  readonly complaints: string[];
  /** Runs `work` with a running server. Stops the server afterwards, or when the run is interrupted. */
  withServer<T>(command: ServerCommand, work: (server: RunningServer) => Promise<T>): Promise<T>;
}

/** Sets up a run, runs `work`, and cleans up, even after a failure. */
export async function withContext(
  options: Options,
  signal: AbortSignal,
  work: (context: Context) => Promise<void>,
): Promise<void> {
  const stack = new AsyncDisposableStack();
  try {
    const progress = new Progress();
    const directory = await mkdtemp(join(tmpdir(), "sessiond-bench-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const load = await progress.phase("load generator", () =>
      buildLoadGenerator(directory, signal),
    );
    const server = await progress.phase("PostgreSQL", () =>
      openDatabaseServer(options.dataParent, stack),
    );
    const context: Context = {
      options,
      progress,
      server,
      load,
      directory,
      signal,
      stack,
      complaints: [],
      withServer: (command, use) => withServer(command, signal, use),
    };
    // When the signal fires, do not wait for running statements and servers.
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
    aborted.promise.catch(() => {});
    await Promise.race([work(context), aborted.promise]);
  } finally {
    await stack.disposeAsync();
  }
}

async function withServer<T>(
  command: ServerCommand,
  signal: AbortSignal,
  use: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const running = await startServer(command);
  const stop = (): void => {
    running.stop().catch(() => {});
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    return await use(running);
  } finally {
    signal.removeEventListener("abort", stop);
    await running.stop();
  }
}
