import { totalmem } from "node:os";
import { Counter, collectDefaultMetrics, type Metric, Registry } from "@prometheus-io/client";
import { BoundedLabel } from "./bounded-label.ts";
import { CallCounters } from "./call-counters.ts";
import { EventLoopDelay } from "./event-loop-delay.ts";
import { FAMILIES, type Family, OTHER } from "./families.ts";
import { Histogram } from "./histogram.ts";
import type { FamilySnapshot, Sample, Snapshot } from "./snapshot.ts";
import { sampledFamilies } from "./source-samples.ts";
import type { MetricSources } from "./sources.ts";

/** What runs. */
export interface BuildInfo {
  readonly version: string;
  readonly node: string;
  readonly commit: string;
}

export interface FailedCall {
  /** `package.Service/Method`. Undefined: no method got the request. */
  readonly rpc: string | undefined;
  /** A name of sessiond.v1.ErrorReason. Undefined: the failure has none. */
  readonly reason: string | undefined;
  /** The authenticated caller. */
  readonly caller: string | undefined;
  /** The setting of the caller's own limit that the call was above, or `queue`. */
  readonly limit: string | undefined;
}

export interface SweepSummary {
  readonly result: (typeof SWEEP_RESULTS)[number];
  readonly deleted: Readonly<Record<string, number>>;
  readonly durationMs: number;
}

/** As many callers have a series of their own. Those of the callers file are usually far fewer. */
const MAX_CALLERS = 200;
const MAX_METHODS = 100;
const MAX_REASONS = 100;
/** Of labels whose values are written in the code. A defect must not become a leak. */
const MAX_VALUES = 50;

const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** As the server names them. */
const BUDGETS = ["frames", "resets", "rapid_resets", "headers", "streams", "other"];
/** Of Envoy's external authorization. */
const DECISIONS = [
  "allowed",
  "anonymous",
  "denied",
  "redirected",
  "unavailable",
  "misconfigured",
] as const;
const SWEEP_RESULTS = ["complete", "more", "failed", "cancelled", "skipped"] as const;

const limitNames = {
  maxConnections: "max_connections",
  maxConnectionsPerPeer: "max_connections_per_peer",
};

/** Those of the library that cost a timer, or a list of all that is open, or have names against the rules. */
const LEFT_OUT = /^nodejs_(active_|eventloop_)/;
/** The library always measures the lag, too; this seldom costs nothing. */
const HARDLY_EVER_MS = 2 ** 31 - 1;

export interface MetricsOptions {
  readonly build: BuildInfo;
  /** The number of this process among those that serve, from 1; or it is the one that starts them. */
  readonly worker: number | "primary";
}

/** What one process counts. */
export class Metrics implements Disposable {
  /** Counts the calls of the server. */
  readonly meter = new CallCounters();
  readonly #registry = new Registry();
  readonly #sources: MetricSources = {};
  readonly #eventLoopDelay: EventLoopDelay;
  readonly #batchSizes = new Map<string, Histogram>();
  readonly #rpcs = new BoundedLabel(MAX_METHODS);
  readonly #reasons = new BoundedLabel(MAX_REASONS);
  readonly #callers = new BoundedLabel(MAX_CALLERS);
  readonly #limits = new BoundedLabel(MAX_VALUES);
  readonly #refusals: Counter<string>;
  readonly #callerRefusals: Counter<string>;
  readonly #forgedCookies: Counter<string>;
  readonly #connectionsRefused: Counter<string>;
  readonly #budgetViolations: Counter<string>;
  readonly #extAuthzChecks: Counter<string>;
  readonly #tokensIssued: Counter<string>;
  readonly #sweepRuns: Counter<string>;
  readonly #sweepDeleted: Counter<string>;
  #sweepDurationSeconds: number | undefined;
  #sweepSucceededAt: number | undefined;

  constructor({ build, worker }: MetricsOptions) {
    this.#eventLoopDelay = new EventLoopDelay(worker);
    this.#refusals = this.#counter(FAMILIES.refusals);
    this.#callerRefusals = this.#counter(FAMILIES.callerRefusals);
    this.#forgedCookies = this.#counter(FAMILIES.forgedCookies);
    this.#connectionsRefused = this.#counter(FAMILIES.connectionsRefused);
    this.#budgetViolations = this.#counter(FAMILIES.http2BudgetViolations);
    this.#extAuthzChecks = this.#counter(FAMILIES.extAuthzChecks);
    this.#tokensIssued = this.#counter(FAMILIES.tokensIssued);
    this.#sweepRuns = this.#counter(FAMILIES.sweepRuns);
    this.#sweepDeleted = this.#counter(FAMILIES.sweepDeleted);
    // A rate needs a value before the first event.
    for (const limit of Object.values(limitNames)) this.#connectionsRefused.inc({ limit }, 0);
    for (const budget of BUDGETS) this.#budgetViolations.inc({ budget }, 0);
    for (const decision of DECISIONS) this.#extAuthzChecks.inc({ decision }, 0);
    for (const cached of ["true", "false"]) this.#tokensIssued.inc({ cached }, 0);
    for (const result of SWEEP_RESULTS) this.#sweepRuns.inc({ result }, 0);
    this.#sampled(FAMILIES.rpcCalls, () => this.meter.calls());
    this.#sampled(FAMILIES.rpcDuration, () => this.meter.durations());
    this.#sampled(FAMILIES.batchSize, () =>
      [...this.#batchSizes].flatMap(([statement, sizes]) =>
        sizes.samples(FAMILIES.batchSize.name, { statement }),
      ),
    );
    this.#sampled(FAMILIES.sweepDuration, () => ofOne(this.#sweepDurationSeconds));
    this.#sampled(FAMILIES.sweepLastSuccess, () => ofOne(this.#sweepSucceededAt));
    this.#sampled(FAMILIES.eventLoopDelay, () => this.#eventLoopDelay.samples());
    this.#sampled(FAMILIES.memoryLimit, () => ofOne(memoryLimit()));
    this.#sampled(FAMILIES.buildInfo, () => [{ labels: { ...build }, value: 1 }]);
    for (const [family, read] of sampledFamilies(this.#sources)) this.#sampled(family, read);
    this.#addDefaults();
  }

  /** Adds what is read at each scrape, or replaces it. */
  addSources(sources: MetricSources): void {
    Object.assign(this.#sources, sources);
  }

  callFailed({ rpc, reason, caller, limit }: FailedCall): void {
    if (reason !== undefined) {
      const known = rpc === undefined ? OTHER : this.#rpcs.of(rpc);
      this.#refusals.inc({ rpc: known, reason: this.#reasons.of(reason) });
    }
    if (limit === undefined) return;
    const labels = { caller: this.#callers.of(caller ?? ""), limit: this.#limits.of(limit) };
    this.#callerRefusals.inc(labels);
  }

  /** Counts a cookie in sessiond's form that it has not signed. */
  forgedCookie(): void {
    this.#forgedCookies.inc();
  }

  connectionRefused(limit: "maxConnections" | "maxConnectionsPerPeer"): void {
    this.#connectionsRefused.inc({ limit: limitNames[limit] });
  }

  /** Counts an HTTP/2 connection that was ended, because its client has exceeded a limit against floods. */
  budgetViolated(budget: string): void {
    this.#budgetViolations.inc({ budget: this.#limits.of(budget) });
  }

  /** Counts a batched statement of `size` items. */
  batch(statement: string, size: number): void {
    let sizes = this.#batchSizes.get(statement);
    if (sizes === undefined) {
      if (this.#batchSizes.size >= MAX_VALUES) return;
      sizes = new Histogram(BATCH_BOUNDS);
      this.#batchSizes.set(statement, sizes);
    }
    sizes.record(size);
  }

  sweepEnded({ result, deleted, durationMs }: SweepSummary): void {
    this.#sweepRuns.inc({ result });
    if (result === "skipped" || result === "cancelled") return;
    for (const [part, rows] of Object.entries(deleted)) this.#sweepDeleted.inc({ part }, rows);
    this.#sweepDurationSeconds = durationMs / 1000;
    if (result !== "failed") this.#sweepSucceededAt = Date.now() / 1000;
  }

  /** Counts a decision of Envoy's external authorization. */
  checkDecided(decision: (typeof DECISIONS)[number]): void {
    this.#extAuthzChecks.inc({ decision });
  }

  /** Counts a token for upstreams. */
  tokenIssued(token: { readonly isCached: boolean }): void {
    this.#tokensIssued.inc({ cached: String(token.isCached) });
  }

  /** All that was counted. With `reset`, the next event-loop delays are those from now on. */
  async snapshot({ reset = false } = {}): Promise<Snapshot> {
    const metrics = await this.#registry.getMetricsAsJSON();
    if (reset) this.#eventLoopDelay.reset();
    return { metrics, native: this.meter.native() };
  }

  [Symbol.dispose](): void {
    this.#eventLoopDelay[Symbol.dispose]();
  }

  #counter({ name, help, labels }: Family): Counter<string> {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  /** The library only asks for `get` of what it has not made itself. */
  #sampled({ name, help, type, merge }: Family, read: () => readonly Sample[]): void {
    const family = { name, help, type, aggregator: merge };
    const get = (): FamilySnapshot => ({ ...family, values: read() }) as FamilySnapshot;
    this.#registry.registerMetric({ ...family, get } as unknown as Metric<string>);
  }

  #addDefaults(): void {
    collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: HARDLY_EVER_MS,
    });
    // The oldest one, instead of none as soon as there are several processes.
    Object.assign(this.#registry.getSingleMetric("process_start_time_seconds") ?? {}, {
      aggregator: "min",
    });
    for (const { name } of this.#registry.getMetricsAsArray()) {
      if (LEFT_OUT.test(name)) this.#registry.removeSingleMetric(name);
    }
  }
}

/** Without a limit of its control group, a process sees a number that no machine has, or 0. */
function memoryLimit(): number {
  return Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
}

function ofOne(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}
