import { SessionError } from "../../session/errors.ts";

/**
 * Settles as the promise does, unless the signal has fired or fires first: then it rejects with the
 * signal's reason. After `timeoutMs` milliseconds it rejects with OVERLOADED.
 */
export function settledOrAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  timeoutMs?: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason);
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => reject(new SessionError("OVERLOADED")), timeoutMs);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    });
  });
}
