import type { Logger } from "pino";
import type { Config } from "./config/config.ts";
import type { ReadyState } from "./metrics/listener.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { merge, type Snapshot } from "./metrics/snapshot.ts";
import { WorkerDocuments } from "./metrics/worker-documents.ts";
import { WorkerSnapshots } from "./metrics/worker-snapshots.ts";
import { createMetrics, serveMetrics } from "./observability.ts";
import { JWKS_PATH } from "./token-keys.ts";
import type { ToWorker } from "./worker-messages.ts";
import type { ReportOfWorker, WorkerWatcher } from "./worker-pool.ts";

/**
 * How often the workers are asked although nobody scrapes: what a worker has counted since is lost when it is
 * killed.
 */
const KEEP_INTERVAL_MS = 15_000;

interface WorkersObservabilityOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly droppedLogLines?: () => number;
}

/** The metrics of all workers, and their documents, on one port. */
export interface WorkersObservability extends WorkerWatcher, AsyncDisposable {
  readonly metricsPort: number;
}

/**
 * Serves the metrics of all workers as those of one service, if a port is configured. Documents are those of
 * the first worker that has them: the primary has no database, and so no keys.
 *
 * @param tell sends to all workers
 * @throws {Error} as `serveMetrics`
 */
export async function openWorkersObservability(
  { config, log, droppedLogLines }: WorkersObservabilityOptions,
  tell: (message: ToWorker) => void,
): Promise<WorkersObservability | undefined> {
  const metrics = createMetrics(config, "primary");
  if (metrics === undefined) return undefined;
  const snapshots = new WorkerSnapshots({
    ask: (collection, { reset }) => tell({ type: "metrics", collection, reset }),
  });
  const readiness = new Map<number, ReadyState>();
  const documents = new WorkerDocuments({
    serving: () => readiness.keys(),
    ask: (request, path) => tell({ type: "document", request, path }),
  });
  const publicPaths = config.tokens === undefined ? [] : [JWKS_PATH];
  let restarts = 0;
  metrics.addSources({
    workers: () => ({ configured: config.workers, up: allUp(config, snapshots), restarts }),
    isReady: () => anyReady([...readiness.values()]).isReady,
    ...(droppedLogLines && { logLinesDropped: droppedLogLines }),
  });

  const listener = await serveMetrics({
    config,
    log,
    scrape: () => scrape(snapshots, metrics),
    ready: () => anyReady([...readiness.values()]),
    documents: new Map(publicPaths.map((path) => [path, () => documents.get(path)])),
  });
  const timer = setInterval(() => void snapshots.collect(), KEEP_INTERVAL_MS).unref();
  return {
    metricsPort: listener?.port ?? 0,
    serving: (id, number) => snapshots.serving(id, number),
    received(id, message: ReportOfWorker) {
      switch (message.type) {
        case "readiness":
          readiness.set(id, message.state);
          break;
        case "metrics":
          snapshots.received(id, message.collection, message.snapshot);
          break;
        case "document": {
          const { request, document } = message;
          documents.received(id, request, { ...document, body: Buffer.from(document.body) });
          break;
        }
      }
    },
    ended(id, isReplaced) {
      readiness.delete(id);
      snapshots.ended(id);
      documents.ended(id);
      if (isReplaced) restarts += 1;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await listener?.[Symbol.asyncDispose]();
      // Now nobody asks any more.
      documents[Symbol.dispose]();
      metrics[Symbol.dispose]();
    },
  };
}

async function scrape(snapshots: WorkerSnapshots, metrics: Metrics): Promise<Snapshot> {
  const ofWorkers = await snapshots.collect({ reset: true });
  // After it, because it tells which workers have answered.
  const own = await metrics.snapshot({ reset: true });
  return merge([own, ofWorkers]);
}

/** A worker that does not serve, because it starts or has ended, is not up. */
function allUp({ workers }: Config, { up }: WorkerSnapshots): ReadonlyMap<number, boolean> {
  const numbers = Array.from({ length: workers }, (_, index) => index + 1);
  return new Map(numbers.map((number) => [number, up.get(number) ?? false]));
}

/** One worker that can serve is enough. Of several reasons, the first is told. */
function anyReady(states: readonly ReadyState[]): ReadyState {
  const ready = states.find(({ isReady }) => isReady);
  return ready ?? states[0] ?? { isReady: false, reason: "no worker serves" };
}
