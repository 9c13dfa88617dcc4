import type { Logger } from "pino";

const INTERVAL_MS = 60_000;
/** How many different problems are told in a minute. */
const MAX_PROBLEMS = 20;

/**
 * Logs what is wrong with routes of Envoy. Each request to such a route tells the same, so each problem
 * is logged once a minute.
 */
export class RouteErrorLog {
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #problems = new Set<string>();
  #since = Number.NEGATIVE_INFINITY;

  /** @param clock monotonic, in milliseconds */
  constructor(log: Logger, clock: () => number) {
    this.#log = log;
    this.#clock = clock;
  }

  misconfigured(problem: string): void {
    const now = this.#clock();
    if (now - this.#since >= INTERVAL_MS) {
      this.#problems.clear();
      this.#since = now;
    }
    if (this.#problems.has(problem) || this.#problems.size >= MAX_PROBLEMS) return;
    this.#problems.add(problem);
    this.#log.warn({ problem }, "a route of Envoy is misconfigured: its requests are refused");
  }
}
