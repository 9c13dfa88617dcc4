import { ALONE, Collector, type CollectorLimits } from "../../src/storage/pg/batcher.ts";

/** A batch under way, which the test sends and answers. */
export interface Underway {
  readonly signal: AbortSignal | undefined;
  /** Sends the statement: who is in it now is in it for good. */
  send(): readonly string[];
  /** Answers each member with its name and an exclamation mark; those named are to go alone. */
  answer(...alone: string[]): void;
  fail(error: unknown): void;
}

export class Fault extends Error {}

/** A collector of strings whose statements are driven by hand. */
export function handDriven(limits: Partial<CollectorLimits> = {}) {
  const batches: Underway[] = [];
  const alone: string[] = [];
  const collector = new Collector<string, string>({
    limits: {
      maxInFlight: 1,
      patienceMs: 0,
      maxBatch: 100,
      queueLimit: 100,
      // Longer than any run of the tests, some of which leave members behind.
      queueTimeoutMs: 2 ** 31 - 1,
      ...limits,
    },
    execute(seal, signal) {
      const { promise, resolve, reject } =
        Promise.withResolvers<readonly (string | typeof ALONE)[]>();
      batches.push({
        signal,
        send: seal,
        answer: (...apart) =>
          resolve(seal().map((member) => (apart.includes(member) ? ALONE : `${member}!`))),
        fail: reject,
      });
      return promise;
    },
    alone: {
      async serve(member) {
        alone.push(member);
        if (member.startsWith("bad")) throw new Fault(member);
        return `${member} alone`;
      },
      isolates: (error) => error instanceof Fault,
    },
    // Those of one letter are in each other's way.
    keyOf: (member) => (/^key/.test(member) ? member.slice(0, 4) : undefined),
  });
  return { collector, batches, alone };
}

/** The batch with that number, from 0. */
export function nth(batches: readonly Underway[], index: number): Underway {
  const batch = batches[index];
  if (batch === undefined) throw new Error(`there is no batch ${index} yet`);
  return batch;
}
