import { setTimeout as delay } from "node:timers/promises";
import { StorageFault, storageUnavailable, UNIQUE_VIOLATION } from "./errors.ts";

/** In each attempt, one of the concurrent changes succeeds. So this many can run at once. */
const MAX_ATTEMPTS = 200;
const BACKOFF_MS = 20;

/**
 * Retries a change that a unique index refuses because another one was committed first, each time after a
 * random pause.
 *
 * @throws {SessionError} STORAGE_UNAVAILABLE after 200 attempts
 * @throws the reason of the signal, if it fires
 */
export async function retriedOnUniqueConflict<T>(
  signal: AbortSignal | undefined,
  change: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await change();
    } catch (error) {
      const isConflict = error instanceof StorageFault && error.code === UNIQUE_VIOLATION;
      if (!isConflict) throw error;
      if (attempt === MAX_ATTEMPTS) throw storageUnavailable(error);
    }
    const pause = delay(Math.random() * BACKOFF_MS, undefined, signal && { signal });
    // An aborted delay rejects with an AbortError; the caller expects the signal's reason.
    await pause.catch(() => signal?.throwIfAborted());
  }
}
