import type { Logger } from "pino";
import { logSweep } from "./app-log.ts";
import type { AppTracing } from "./app-tracing.ts";
import type { Config } from "./config/config.ts";
import { SweepDeadline } from "./jobs/sweep-deadline.ts";
import { type SweepSchedule, startSweepSchedule } from "./jobs/sweep-schedule.ts";
import type { Metrics, SweepSummary } from "./metrics/metrics.ts";
import type { CallContext } from "./session/call-context.ts";
import { type SweepResult, sweep } from "./session/sweep.ts";
import type { SweepStore } from "./session/sweep-store.ts";
import { assertAllTenants } from "./session/tenant-access.ts";

export interface SweepsOptions {
  readonly config: Pick<Config, "sweep" | "timeouts">;
  readonly store: SweepStore;
  readonly log: Logger;
  readonly tracing: AppTracing;
  readonly metrics: Metrics | undefined;
}

/** The sweeps of this process: those that calls ask for, and those of the schedule if it leads. */
export class Sweeps {
  readonly #options: SweepsOptions;
  readonly #deadline: SweepDeadline;
  #schedule: SweepSchedule | undefined;

  constructor(options: SweepsOptions) {
    this.#options = options;
    this.#deadline = new SweepDeadline(options.config.sweep);
  }

  /**
   * By when one has to succeed, in milliseconds since the Unix epoch. Undefined before this process has
   * scheduled or ended one, and without a schedule.
   */
  get dueAt(): number | undefined {
    return this.#deadline.at;
  }

  /**
   * Runs one sweep as `sweep` of the rules does, in its span, and logs and counts how it ends. A call that is
   * refused with CALLER_FORBIDDEN begins none: it has no span and is not counted.
   */
  async run(context: CallContext, timeLimitMs: number): Promise<SweepResult | undefined> {
    const { config, store, log, tracing, metrics } = this.#options;
    // The rules refuse it as well, but after the span and the count have begun.
    assertAllTenants(context);
    const policy = { ...config.sweep, timeLimitMs };
    const clock = () => performance.now();
    const result = await meteredSweep(
      () =>
        tracing.inSpan("sessiond.sweep", () =>
          sweep(store, policy, config.timeouts, clock, context),
        ),
      context,
      metrics,
    );
    if (result?.failures.size === 0) this.#deadline.renew();
    return logSweep(log, result);
  }

  /** Begins to sweep at the times of the schedule, if there is one. Again, it has no effect. */
  startSchedule(): void {
    const { config, log } = this.#options;
    const { schedule, jitterMs, timeLimitMs } = config.sweep;
    if (schedule === undefined || this.#schedule !== undefined) return;
    this.#deadline.renew();
    this.#schedule = startSweepSchedule({
      schedule,
      jitterMs,
      sweep: (signal) =>
        this.run({ signal, callingService: "sessiond" }, timeLimitMs).then(
          () => {},
          (error: unknown) => {
            if (signal.aborted) log.info("sweep ended: sessiond stops");
            else log.error({ err: error }, "sweep failed");
          },
        ),
      onWarning: (message) => log.warn(message),
    });
  }

  /** Ends the schedule, and its sweep if one is running. */
  async stop(): Promise<void> {
    await this.#schedule?.stop();
  }
}

/** Runs a sweep, and counts how it ends. One that its caller has given up says nothing of the database. */
async function meteredSweep(
  run: () => Promise<SweepResult | undefined>,
  { signal }: Pick<CallContext, "signal">,
  metrics: Metrics | undefined,
): Promise<SweepResult | undefined> {
  if (metrics === undefined) return run();
  const begunAt = performance.now();
  const ended = (result: SweepSummary["result"], deleted: SweepSummary["deleted"] = {}) =>
    metrics.sweepEnded({ result, deleted, durationMs: performance.now() - begunAt });
  try {
    const swept = await run();
    if (swept === undefined) ended("skipped");
    else if (swept.failures.size > 0) ended("failed", swept.deleted);
    else ended(swept.more ? "more" : "complete", swept.deleted);
    return swept;
  } catch (error) {
    ended(signal?.aborted ? "cancelled" : "failed");
    throw error;
  }
}
