import { nextRun } from "./sweep-schedule.ts";

export interface SweepDeadlineOptions {
  /** A cron expression. Undefined: nothing is due. */
  readonly schedule: string | undefined;
  readonly jitterMs: number;
  readonly timeLimitMs: number;
}

/**
 * By when a sweep has to succeed. It moves on when one does, and begins anew in each process that begins to
 * schedule sweeps: at its start, or when a worker takes the lead. What goes wrong in a process that lives on,
 * also that no sweep starts at all, leaves it in the past.
 *
 * So it cannot see that each sweep ends its process. `sessiond doctor` does: it asks the database for sessions
 * that should have been deleted. The alert SessiondWorkerRestarts sees workers that end more than twice an hour.
 */
export class SweepDeadline {
  readonly #options: SweepDeadlineOptions;
  #at: number | undefined;

  constructor(options: SweepDeadlineOptions) {
    this.#options = options;
  }

  /** In milliseconds since the Unix epoch. Undefined before the first `renew`, and without a schedule. */
  get at(): number | undefined {
    return this.#at;
  }

  /**
   * Moves it to the next time of the schedule. To be called when sweeps begin to be scheduled, and after each
   * one that succeeds. The sweep of that time starts after at most the jitter, and ends within its time limit.
   */
  renew(): void {
    const { schedule, jitterMs, timeLimitMs } = this.#options;
    if (schedule === undefined) return;
    this.#at = nextRun(schedule).getTime() + jitterMs + timeLimitMs;
  }
}
