import { SessionError } from "./errors.ts";

type Signal = AbortSignal | undefined;

/** A read that is in flight, and how many callers wait for it. */
interface Read<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

/**
 * Lets concurrent callers that read the same thing share one read. A caller's signal ends its own wait
 * only; the signal of the read fires when all of its callers' signals have fired.
 */
export class SharedReads<K, T> {
  readonly #reads = new Map<K, Read<T>>();

  /**
   * Settles as the read in flight for this key, or else as the one that `read` begins. Rejects with the
   * signal's reason as soon as it fires.
   */
  join(key: K, signal: Signal, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const shared = this.#reads.get(key) ?? this.#begin(key, read);
    shared.waiting += 1;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        reject(signal?.reason);
        shared.waiting -= 1;
        if (shared.waiting > 0) return;
        // Nobody may join a read that is aborted.
        this.#end(key, shared);
        shared.abort.abort(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const done = () => signal?.removeEventListener("abort", onAbort);
      shared.result.then(resolve, reject).finally(done);
    });
  }

  #begin(key: K, read: (signal: AbortSignal) => Promise<T>): Read<T> {
    const abort = new AbortController();
    const shared: Read<T> = { result: read(abort.signal), abort, waiting: 0 };
    this.#reads.set(key, shared);
    const end = () => this.#end(key, shared);
    shared.result.then(end, end);
    return shared;
  }

  #end(key: K, shared: Read<T>): void {
    if (this.#reads.get(key) === shared) this.#reads.delete(key);
  }
}

/**
 * For what callers of a shared read catch. Each call gets an error of its own: details of one call must not be sent to another one.
 */
export function rethrowAsOwn(error: unknown): never {
  if (!(error instanceof SessionError)) throw error;
  throw new SessionError(error.reason, { message: error.message, cause: error.cause });
}
