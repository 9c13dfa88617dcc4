import { FAMILIES, OTHER } from "./families.ts";
import { DurationHistogram } from "./histogram.ts";
import type { NativeHistogram, Sample } from "./snapshot.ts";

/** The names of gRPC's codes by their numbers. OK is 0. */
export const CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** Far more than the services have. */
const MAX_METHODS = 100;

/** Counts the calls of one method. */
export class MethodCounters {
  readonly #codes = new Float64Array(CODES.length);
  readonly #durations = new DurationHistogram();
  readonly #rpc: string;

  constructor(rpc: string) {
    this.#rpc = rpc;
  }

  /**
   * Counts a call. It neither throws nor allocates.
   *
   * @param code the number of the gRPC code; undefined: OK
   * @param durationMs undefined: the call has none, and is only counted
   */
  ended(code: number | undefined, durationMs: number | undefined): void {
    (this.#codes[code ?? 0] as number) += 1;
    if (durationMs !== undefined) this.#durations.record(durationMs / 1000);
  }

  calls(): Sample[] {
    const samples = CODES.map((code, index) => {
      return { labels: { rpc: this.#rpc, code }, value: this.#codes[index] as number };
    });
    return samples.filter(({ value }) => value > 0);
  }

  durations(): Sample[] {
    return this.#durations.samples(FAMILIES.rpcDuration.name, { rpc: this.#rpc });
  }

  native(): NativeHistogram {
    return this.#durations.native(FAMILIES.rpcDuration.name, { rpc: this.#rpc });
  }
}

/** Counts all calls. Each method has its counters, so that a call looks nothing up. */
export class CallCounters {
  /** For requests that no method gets. */
  readonly unknown = new MethodCounters(OTHER);
  readonly #methods = new Map<string, MethodCounters>();

  /** @param rpc `package.Service/Method`, of a method that exists: the number of them must be bounded */
  method(rpc: string): MethodCounters {
    const known = this.#methods.get(rpc);
    if (known !== undefined) return known;
    if (this.#methods.size >= MAX_METHODS) return this.unknown;
    const counters = new MethodCounters(rpc);
    this.#methods.set(rpc, counters);
    return counters;
  }

  calls(): Sample[] {
    return this.#all.flatMap((counters) => counters.calls());
  }

  durations(): Sample[] {
    return this.#all.flatMap((counters) => counters.durations());
  }

  native(): NativeHistogram[] {
    const all = this.#all.map((counters) => counters.native());
    return all.filter(({ zeroCount, buckets }) => zeroCount > 0 || buckets.length > 0);
  }

  get #all(): MethodCounters[] {
    return [...this.#methods.values(), this.unknown];
  }
}
