import { schedule } from "node-cron";

export interface SweepScheduleOptions {
  /** A cron expression. */
  readonly schedule: string;
  /** Each run is put off by up to this, so that replicas do not all start in the same instant. */
  readonly jitterMs: number;
  /** Makes one sweep. It must not reject: there is nobody to tell. */
  readonly sweep: (signal: AbortSignal) => Promise<void>;
  readonly onWarning: (message: string) => void;
}

export interface SweepSchedule {
  /** Starts no further sweep, aborts the one at work and resolves when it has ended. */
  stop(): Promise<void>;
}

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
