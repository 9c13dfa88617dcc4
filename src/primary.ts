import type { EmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import type { AppOptions } from "./app.ts";
import { warnOfExposure } from "./app-log.ts";
import { openEncryptedStorage } from "./open-encrypted-storage.ts";
import { prepareSigningKeys } from "./prepare-signing-keys.ts";
import { secureRandomBytes } from "./session/ids.ts";
import { SigningKeys } from "./session/signing-keys.ts";
import { prepareTokenKeys } from "./token-keys.ts";
import { type Address, WorkerPool } from "./worker-pool.ts";
import { openWorkersObservability } from "./workers-observability.ts";

/**
 * How long a worker may take to start, besides waiting for the database and Vault. It may have to decrypt
 * many signing keys.
 */
const START_MS = 10 * 60_000;
/** How long a worker may take to close what it has opened, after its last call. */
const CLOSE_MS = 15_000;

export interface PrimaryOptions extends AppOptions {
  /** Called with each line of the workers' logs. */
  readonly onLogLine: (line: string) => void;
}

export interface Primary {
  /** Where the workers listen. */
  readonly server: Address;
  /** Undefined with an external database. */
  readonly embedded: EmbeddedPostgres | undefined;
  /** Tells the workers to check at once for changed files. */
  readFiles(): void;
  /** Tells the workers whether the log is switched to debug. */
  switchLog(): void;
  /** Stops the workers as their settings say, and then the embedded database. */
  stop(): Promise<void>;
}

/**
 * Starts the workers, after what is done once for all of them: the embedded PostgreSQL, the migrations, the
 * check of the signing keys and the first key. What fails on the way is undone.
 */
export async function startPrimary(options: PrimaryOptions): Promise<Primary> {
  try {
    return await start(options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  }
}

async function start(options: PrimaryOptions): Promise<Primary> {
  await using stack = new AsyncDisposableStack();
  const { config, log, random = secureRandomBytes, signal, onLogLine } = options;
  let pool: WorkerPool | undefined;
  const observability = await openWorkersObservability(options, (message) => pool?.tell(message));
  if (observability !== undefined) stack.use(observability);
  warnOfExposure(config.server.exposure, log);
  const { embedded, storage, encryption } = await openEncryptedStorage(
    { config, log, random, signal },
    stack,
  );
  const signingKeys = new SigningKeys(storage.signingKeys, encryption, random, config.tenants);
  const context = { signal, callingService: "sessiond" };
  await prepareSigningKeys(signingKeys, log, context);
  await prepareTokenKeys({ config, random, storage, encryption }, log, context);
  // All connections are the workers' from here on.
  await storage.close();

  const isLogSwitched = () => log.level !== config.log.level;
  const { vault } = config.keyEncryption;
  const { drainDelayMs, shutdownGraceMs } = config.server;
  pool = new WorkerPool({
    size: config.workers,
    log,
    onLogLine,
    watcher: observability,
    startMessage: () => ({
      embedded: embedded && { url: embedded.url, dataDirectory: embedded.dataDirectory },
      isLogSwitched: isLogSwitched(),
    }),
    startTimeoutMs: START_MS + config.database.startTimeoutMs + (vault?.startTimeoutMs ?? 0),
    stopTimeoutMs: drainDelayMs + shutdownGraceMs + CLOSE_MS,
  });
  // However this process exits. Only if it is killed, they notice it themselves.
  const kill = () => pool.kill();
  process.on("exit", kill);
  stack.defer(() => {
    process.off("exit", kill);
  });
  stack.defer(() => pool.stop());
  const address = await Promise.race([pool.start(), rejectsWhenAborted(signal)]);

  const started = stack.move();
  return {
    server: address,
    embedded,
    readFiles: () => pool.tell({ type: "read_files" }),
    switchLog: () => pool.tell({ type: "switch_log", isLogSwitched: isLogSwitched() }),
    stop: () => started.disposeAsync(),
  };
}

function rejectsWhenAborted(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise;
}
