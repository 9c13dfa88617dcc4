import type { Logger } from "pino";
import packageJson from "../package.json" with { type: "json" };
import type { Config } from "./config/config.ts";
import {
  type Document,
  METRICS_PATH,
  type MetricsListener,
  type ReadyState,
  startMetricsListener,
} from "./metrics/listener.ts";
import { Metrics } from "./metrics/metrics.ts";
import type { Snapshot } from "./metrics/snapshot.ts";
import type { SigningKeyAges } from "./metrics/sources.ts";

const KEY_AGES_INTERVAL_MS = 60_000;

/** Counts in this process, if metrics are served. @param worker its number, or that it is the primary */
export function createMetrics(
  { metrics }: Pick<Config, "metrics">,
  worker: number | "primary" = 1,
): Metrics | undefined {
  if (metrics === undefined) return undefined;
  // The build replaces it.
  const commit = process.env.BUILD_COMMIT || "unknown";
  const build = { version: packageJson.version, node: process.versions.node, commit };
  return new Metrics({ build, worker });
}

/** Whether this process can serve calls, and why not. */
export class Readiness {
  /** Called after each change. */
  onChange: (state: ReadyState) => void = () => {};
  #phase: "starting" | "serving" | "draining" = "starting";
  #isDatabaseUp = true;

  get isDatabaseUp(): boolean {
    return this.#isDatabaseUp;
  }

  get state(): ReadyState {
    if (this.#phase !== "serving") return { isReady: false, reason: this.#phase };
    return this.#isDatabaseUp
      ? { isReady: true }
      : { isReady: false, reason: "the database does not answer" };
  }

  serving(): void {
    this.#phase = "serving";
    this.onChange(this.state);
  }

  draining(): void {
    this.#phase = "draining";
    this.onChange(this.state);
  }

  databaseChanged(isUp: boolean): void {
    this.#isDatabaseUp = isUp;
    this.onChange(this.state);
  }
}

export interface ServeMetricsOptions {
  readonly config: Pick<Config, "metrics">;
  readonly log: Logger;
  readonly scrape: () => Promise<Snapshot>;
  readonly ready: () => ReadyState;
  /** Further documents of the port, by path. */
  readonly documents?: ReadonlyMap<string, () => Document | Promise<Document>>;
}

/**
 * Serves the metrics on their port, if one is configured.
 *
 * @throws {Error} if it cannot listen there; the message is for users
 */
export async function serveMetrics(
  options: ServeMetricsOptions,
): Promise<MetricsListener | undefined> {
  const { config, log, ...served } = options;
  if (config.metrics === undefined) return undefined;
  const { host, port } = config.metrics;
  try {
    const listener = await startMetricsListener({
      ...served,
      host,
      port,
      onError(err, path) {
        if (path === METRICS_PATH) log.error({ err }, "a scrape of the metrics failed");
        else log.error({ err, path }, "the port of the metrics failed");
      },
    });
    log.info({ host, port: listener.port }, "metrics are served");
    return listener;
  } catch (error) {
    throw new Error(
      `cannot serve metrics on ${host}, port ${port}: ${(error as Error).message} ` +
        "(see SESSIOND_METRICS_HOST and SESSIOND_METRICS_PORT)",
      { cause: error },
    );
  }
}

/** Reads the ages of the signing keys at once, and then once a minute. Failures leave them as they were. */
export function watchKeyAges(
  read: (signal: AbortSignal) => Promise<Omit<SigningKeyAges, "unreadable">>,
  countUnreadable: () => number,
  metrics: Metrics,
  log: Logger,
): Disposable {
  const stopping = new AbortController();
  const update = async () => {
    try {
      const ages = await read(stopping.signal);
      const readAt = performance.now();
      metrics.addSources({
        signingKeys() {
          const since = (performance.now() - readAt) / 1000;
          const { oldestActiveSeconds: oldest, defaultTenantSeconds: own } = ages;
          return {
            ...ages,
            unreadable: countUnreadable(),
            oldestActiveSeconds: oldest && oldest + since,
            defaultTenantSeconds: own && own + since,
          };
        },
      });
    } catch (error) {
      if (!stopping.signal.aborted) log.debug({ err: error }, "the ages of keys cannot be read");
    }
  };
  void update();
  const timer = setInterval(update, KEY_AGES_INTERVAL_MS).unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      stopping.abort();
    },
  };
}
