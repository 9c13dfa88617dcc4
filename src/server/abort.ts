import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Runs `work` and settles as it does, or rejects with the signal's reason if the signal fires
 * first. `work` does not start if the signal has already fired, and a late result is dropped.
 */
export async function raceAbort<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const abort = rejectOnAbort(signal);
  try {
    return await (signal.aborted ? abort.rejected : Promise.race([abort.rejected, work()]));
  } finally {
    abort.stop();
  }
}

/**
 * Yields what `source` yields, and throws the signal's reason as soon as the signal fires, even
 * while it waits for the source. It never closes the source's iterator: that is up to the owner.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const abort = rejectOnAbort(signal);
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const result = await Promise.race([abort.rejected, iterator.next()]);
      if (result.done === true) {
        return;
      }
      yield result.value;
    }
  } finally {
    abort.stop();
  }
}

function rejectOnAbort(signal: AbortSignal) {
  const { promise: rejected, reject } = Promise.withResolvers<never>();
  // It may reject after the race, which must not be an unhandled rejection.
  rejected.catch(() => {});
  const onAbort = () => reject(ConnectError.from(signal.reason, Code.Canceled));
  if (signal.aborted) {
    onAbort();
  } else {
    signal.addEventListener("abort", onAbort, { once: true });
  }
  return { rejected, stop: () => signal.removeEventListener("abort", onAbort) };
}
