import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Sample } from "./snapshot.ts";

const RESOLUTION_MS = 20;
const NANOSECONDS_PER_MS = 1e6;

/** By how much the event loop of this process is late. */
export class EventLoopDelay implements Disposable {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #worker: number | "primary";

  /** @param worker what the samples call this process */
  constructor(worker: number | "primary") {
    this.#worker = worker;
    this.#histogram.enable();
  }

  samples(): Sample[] {
    if (this.#histogram.count === 0) return [];
    const values = {
      p50: this.#histogram.percentile(50),
      p99: this.#histogram.percentile(99),
      max: this.#histogram.max,
    };
    return Object.entries(values).map(([statistic, value]) => ({
      labels: { worker: this.#worker, statistic },
      // What is measured is the time between two timers, so it contains their interval.
      value: Math.max(0, value / NANOSECONDS_PER_MS - RESOLUTION_MS) / 1000,
    }));
  }

  /** From now on, samples are of what comes. */
  reset(): void {
    this.#histogram.reset();
  }

  [Symbol.dispose](): void {
    this.#histogram.disable();
  }
}
