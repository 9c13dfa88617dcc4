import { Batcher, type BatcherLimits, RETRY_ALONE } from "../../src/storage/pg/batcher.ts";

/** A batch under way, which the test sends and answers. */
export interface Underway {
  readonly signal: AbortSignal | undefined;
  /** Sends the statement: who is in it now is in it for good. */
  send(): readonly string[];
  /** Answers each item with its name and an exclamation mark; those named are to go alone. */
  answer(...alone: string[]): void;
  fail(error: unknown): void;
}

export class Fault extends Error {}

/** A batcher of strings whose statements are driven by hand. */
export function handDriven(limits: Partial<BatcherLimits> = {}) {
  const batches: Underway[] = [];
  const alone: string[] = [];
  const batcher = new Batcher<string, string>({
    name: "test",
    limits: {
      maxInFlight: 1,
      maxDelayMs: 0,
      maxBatch: 100,
      queueLimit: 100,
      // Longer than any run of the tests, some of which leave items behind.
      queueTimeoutMs: 2 ** 31 - 1,
      ...limits,
    },
    execute(close, signal) {
      const { promise, resolve, reject } =
        Promise.withResolvers<readonly (string | typeof RETRY_ALONE)[]>();
      batches.push({
        signal,
        send: close,
        answer: (...apart) =>
          resolve(close().map((item) => (apart.includes(item) ? RETRY_ALONE : `${item}!`))),
        fail: reject,
      });
      return promise;
    },
    retryAlone: {
      async execute(item) {
        alone.push(item);
        if (item.startsWith("bad")) throw new Fault(item);
        return `${item} alone`;
      },
      isRetryable: (error) => error instanceof Fault,
    },
    // Those of one letter are in each other's way.
    keyOf: (item) => (/^key/.test(item) ? item.slice(0, 4) : undefined),
  });
  return { batcher, batches, alone };
}

/** The batch with that number, from 0. */
export function nth(batches: readonly Underway[], index: number): Underway {
  const batch = batches[index];
  if (batch === undefined) throw new Error(`there is no batch ${index} yet`);
  return batch;
}
