import { setTimeout as delay } from "node:timers/promises";

export interface ReadinessOptions {
  /** After this time without an answer, the database counts as not answering. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** When the database last answered, on the clock of `now`. */
  readonly lastAnsweredAt: () => number;
  /** Asks the database for an answer, which moves `lastAnsweredAt`. Rejects when the signal fires. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Called when the database no longer answers, with the last failure, and when it does again. */
  readonly onChange: (ready: boolean, error: unknown) => void;
}

export interface Readiness {
  /** Ends the watch; resolves when no probe is running. */
  stop(): Promise<void>;
}

/** A quarter: so a database that is back, or silent for a moment only, is noticed in time. */
const CHECKS_PER_TIMEOUT = 4;

/**
 * Watches whether the database answers. Each answer to any statement counts. Only if there was none
 * for a quarter of the timeout, it is probed. It never counts as not answering without a failed
 * probe: this process may have been suspended in the meantime.
 */
export function watchReadiness(options: ReadinessOptions): Readiness {
  const { timeoutMs, now, lastAnsweredAt, probe, onChange } = options;
  const intervalMs = timeoutMs / CHECKS_PER_TIMEOUT;
  const stopping = new AbortController();
  const { signal } = stopping;
  const silentMs = () => now() - lastAnsweredAt();

  async function attemptProbe(): Promise<unknown> {
    const limitMs = Math.ceil(intervalMs);
    const timeout = AbortSignal.timeout(limitMs);
    try {
      await probe(AbortSignal.any([signal, timeout]));
      return undefined;
    } catch (error) {
      // The signal's reason would only say that something was aborted.
      return timeout.aborted ? new Error(`no answer to a probe within ${limitMs} ms`) : error;
    }
  }

  async function watch(): Promise<void> {
    let ready = true;
    while (!signal.aborted) {
      const nextAt = now() + intervalMs;
      const error = silentMs() < intervalMs ? undefined : await attemptProbe();
      if (signal.aborted) return;
      if (silentMs() < timeoutMs !== ready) {
        ready = !ready;
        onChange(ready, error);
      }
      const rest = Math.max(0, nextAt - now());
      await delay(rest, undefined, { ref: false, signal }).catch(() => {});
    }
  }

  const watching = watch();
  return {
    async stop() {
      stopping.abort();
      await watching;
    },
  };
}
