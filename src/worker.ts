import { once } from "node:events";
import type { Logger } from "pino";
import { type App, startApp } from "./app.ts";
import { type Config, loadConfig } from "./config/config.ts";
import { createLevelSwitch } from "./log/level-switch.ts";
import type { FromWorker, StartMessage, ToWorker } from "./worker-messages.ts";

/**
 * Serves as one of several processes, until the primary process says to stop. It resolves when everything
 * is stopped.
 *
 * The primary decides when to stop: signals that a terminal or a supervisor sends to all processes are
 * ignored here. If the primary ends, Node ends this process.
 *
 * @param openLog makes the log of the worker with this number
 * @param droppedLogLines how many lines of the log were dropped since the start
 */
export async function runWorker(
  openLog: (config: Config, worker: number) => Promise<Logger>,
  droppedLogLines: () => number,
): Promise<void> {
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const) {
    process.on(name, () => {});
  }
  const starting = Promise.withResolvers<StartMessage>();
  const stopping = new AbortController();
  let app: App | undefined;
  let isLogSwitched = false;
  let switchLog = () => {};
  process.on("message", (message: ToWorker) => {
    switch (message.type) {
      case "start":
        isLogSwitched = message.isLogSwitched;
        starting.resolve(message);
        break;
      case "ping":
        void tellPrimary({ type: "pong" });
        break;
      case "lead":
        app?.lead();
        break;
      case "read_files":
        void app?.readFiles();
        break;
      case "switch_log":
        isLogSwitched = message.isLogSwitched;
        switchLog();
        break;
      case "metrics":
        void sendMetrics(app, message);
        break;
      case "document":
        void sendDocument(app, message);
        break;
      case "stop":
        stopping.abort();
        break;
    }
  });

  const start = await starting.promise;
  const config = configOfWorker(process.env, start);
  const log = await openLog(config, start.worker);
  const { level } = log;
  const switchLevel = createLevelSwitch(log);
  switchLog = () => {
    if ((log.level !== level) !== isLogSwitched) switchLevel();
  };
  switchLog();

  const { signal } = stopping;
  try {
    app = await startApp({ config, log, signal, worker: start, droppedLogLines });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  const { url, port } = app.server;
  await tellPrimary({ type: "serving", url, port });
  const { readiness } = app;
  const tellReadiness = () => tellPrimary({ type: "readiness", state: readiness.state });
  readiness.onChange = tellReadiness;
  await tellReadiness();
  if (!signal.aborted) await once(signal, "abort");
  await app.stop();
  // So that nothing is missing from the sum of all workers.
  await sendMetrics(app, { collection: 0, reset: false });
}

async function sendMetrics(
  app: App | undefined,
  { collection, reset }: { readonly collection: number; readonly reset: boolean },
): Promise<void> {
  const snapshot = await app?.metrics?.snapshot({ reset });
  if (snapshot !== undefined) await tellPrimary({ type: "metrics", collection, snapshot });
}

async function sendDocument(
  app: App | undefined,
  { request, path }: { readonly request: number; readonly path: string },
): Promise<void> {
  const document = await app?.documents.get(path)?.();
  if (document === undefined) return;
  const body = Buffer.from(document.body).toString();
  await tellPrimary({ type: "document", request, document: { ...document, body } });
}

/** Resolves when the message is sent, or cannot be. */
export function tellPrimary(message: FromWorker): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
  else resolve();
  return promise;
}

/**
 * The worker's own configuration: its share of the database connections, and the port of the others.
 *
 * @throws {ConfigError} as `loadConfig` does, for example if a file of a setting has changed
 */
export function configOfWorker(
  env: Readonly<Record<string, string | undefined>>,
  { worker, workers, port }: Pick<StartMessage, "worker" | "workers" | "port">,
): Config {
  // With `auto`, this process may count other processors than the primary.
  const config = loadConfig({ ...env, SESSIOND_WORKERS: String(workers) });
  const { server, database } = config;
  const rest = database.poolSize % workers;
  const poolSize = Math.floor(database.poolSize / workers) + (worker <= rest ? 1 : 0);
  return {
    ...config,
    server: { ...server, port: port ?? server.port },
    database: { ...database, poolSize },
  };
}
