import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningServer, type ServerCommand, startServer } from "./child.ts";
import { type DatabaseServer, openDatabaseServer } from "./database.ts";
import { buildLoadGenerator, type LoadGenerator } from "./load.ts";
import type { Options } from "./options.ts";
import { Progress } from "./progress.ts";

/** What all parts of a run share. */
export interface Context {
  readonly options: Options;
  readonly progress: Progress;
  readonly server: DatabaseServer;
  readonly load: LoadGenerator;
  /** For files, gone afterwards. */
  readonly directory: string;
  /** Fires when the run is to end before its time. */
  readonly signal: AbortSignal;
  /** What is to be undone in the end. */
  readonly stack: AsyncDisposableStack;
  /** Complaints about answers; a run that has any fails in the end. */
  readonly complaints: string[];
  /** Runs `work` while the server runs, which is stopped then or when the run is cut short. */
  withServer<T>(command: ServerCommand, work: (server: RunningServer) => Promise<T>): Promise<T>;
}

/** Sets a run up, does it, and undoes everything, whatever has failed on the way. */
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
    // Whoever waits for a statement or a server when the signal comes is not asked to finish.
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
