import { createTask, schedule } from "node-cron";

export interface SweepScheduleOptions {
  /** A cron expression. */
  readonly schedule: string;
  /** Each sweep is delayed by a random time of up to this, so that replicas do not start together. */
  readonly jitterMs: number;
  /** Runs one sweep. It must not reject: nothing handles the error. */
  readonly sweep: (signal: AbortSignal) => Promise<void>;
  /** Called with the warnings of the scheduler. */
  readonly onWarning: (message: string) => void;
}

export interface SweepSchedule {
  /** Starts no further sweep, aborts the running one and resolves when it has ended. */
  stop(): Promise<void>;
}

/** Runs a sweep at the times of the schedule. A sweep does not start while another one is running. */
export function startSweepSchedule(options: SweepScheduleOptions): SweepSchedule {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const warn = (message: string | Error) => options.onWarning(String(message));
  const task = schedule(
    options.schedule,
    () => {
      if (stopping.signal.aborted) return;
      running = options.sweep(stopping.signal);
      return running;
    },
    {
      name: "sweep",
      noOverlap: true,
      maxRandomDelay: options.jitterMs,
      unref: true,
      logger: { info: () => {}, debug: () => {}, warn, error: warn },
    },
  );
  return {
    async stop() {
      stopping.abort();
      await task.destroy();
      await running;
    },
  };
}

/**
 * The first time of a cron expression that is after now.
 *
 * @throws {Error} if the expression is invalid
 */
export function nextRun(expression: string): Date {
  // The library computes times for tasks only. This one never starts.
  const task = createTask(expression, () => {});
  const [next] = task.getNextRuns(1);
  void task.destroy();
  return next as Date;
}

/** Enough for a year of days, or more than a year of hours, or a week of minutes. */
const FEW_RUNS = 400;
const MANY_RUNS = 10_000;
const YEAR_MS = 366 * 86_400_000;

/**
 * The longest time between two runs of a cron expression that follow each other, in milliseconds: of those in
 * the next year, or of the next 10,000 if those are fewer.
 *
 * @throws {Error} if the expression is invalid
 */
export function longestGapMs(expression: string): number {
  const task = createTask(expression, () => {});
  let runs = task.getNextRuns(FEW_RUNS).map(Number);
  if (Number(runs.at(-1)) - Number(runs[0]) < YEAR_MS) {
    runs = task.getNextRuns(MANY_RUNS).map(Number);
  }
  void task.destroy();
  return runs.reduce((gap, run, i) => Math.max(gap, run - (runs[i - 1] ?? run)), 0);
}
