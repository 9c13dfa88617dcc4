/** How long nothing must fail before a success means that an outage is over. */
const QUIET_MS = 1000;
/** How often an outage is reported while it lasts. */
const REPORT_INTERVAL_MS = 10_000;

/** What happened in a part of an outage. */
export interface OutageReport {
  /** The number of failed calls. */
  readonly failed: number;
  /** Their number by RPC; not at the end of an outage. */
  readonly rpcs?: Readonly<Record<string, number>>;
  /** Since the first failure. */
  readonly seconds: number;
}

/**
 * Combines the calls that one outage fails, so that the log has a line at its beginning, one every ten
 * seconds while calls fail, and one at its end. All times are in milliseconds of one clock.
 */
export class Outage {
  #since: number | undefined;
  #failed = 0;
  #failedAt = 0;
  #reportedAt = 0;
  readonly #rpcs = new Map<string, number>();

  get active(): boolean {
    return this.#since !== undefined;
  }

  /** Counts a failed call. Returns whether it is the first one of an outage. */
  callFailed(rpc: string, now: number): boolean {
    const first = this.#since === undefined;
    if (first) {
      this.#since = now;
      this.#reportedAt = now;
      this.#failed = 0;
      this.#rpcs.clear();
    }
    this.#failed += 1;
    this.#failedAt = now;
    if (!first) this.#rpcs.set(rpc, (this.#rpcs.get(rpc) ?? 0) + 1);
    return first;
  }

  /**
   * A call succeeded. Returns the report of the whole outage if this ends it. Calls may succeed and
   * fail in turns for a while, which is one outage.
   */
  callSucceeded(now: number): OutageReport | undefined {
    return this.endIfQuiet(now, QUIET_MS);
  }

  /** Returns the report of the whole outage, which is over if nothing has failed for `quietMs`. */
  endIfQuiet(now: number, quietMs: number): OutageReport | undefined {
    if (this.#since === undefined || now - this.#failedAt < quietMs) return undefined;
    const report = { failed: this.#failed, seconds: seconds(this.#since, now) };
    this.#since = undefined;
    return report;
  }

  /** Returns what has failed since the last report, if a report is due and something has. */
  report(now: number): OutageReport | undefined {
    if (this.#since === undefined || now - this.#reportedAt < REPORT_INTERVAL_MS) return undefined;
    this.#reportedAt = now;
    if (this.#rpcs.size === 0) return undefined;
    const rpcs = Object.fromEntries(this.#rpcs);
    this.#rpcs.clear();
    const failed = Object.values(rpcs).reduce((sum, count) => sum + count, 0);
    return { failed, rpcs, seconds: seconds(this.#since, now) };
  }
}

function seconds(from: number, to: number): number {
  return Math.round((to - from) / 100) / 10;
}
