import { CallerLimitError } from "./caller-limit-error.ts";

/** A sustained rate, and how many calls may come at once after a pause. */
export interface CallRate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface AdmissionLimits {
  /** The maximum number of calls in flight of one caller. */
  readonly maxCallsPerCaller: number;
  /** Undefined: no limit. */
  readonly ratePerCaller: CallRate | undefined;
}

export interface AdmittedCaller {
  inFlight: number;
  /** When the burst will be whole again, by the clock. In the past: it is. */
  restoredAt: number;
}

/** An idle caller is forgotten when there are more than this many. Each takes about 200 bytes. */
const MAX_IDLE_CALLERS = 10_000;

/**
 * Limits what each caller may ask for: the calls in flight, and their rate by the generic cell rate
 * algorithm, which is a token bucket without a timer. Its memory is bounded by the calls in flight and
 * MAX_IDLE_CALLERS, however many callers there are.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #clock: () => number;
  readonly #callers = new Map<string | undefined, AdmittedCaller>();
  #maxCallers = MAX_IDLE_CALLERS;

  /** @param clock monotonic, in milliseconds */
  constructor(limits: AdmissionLimits, clock: () => number) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** The number of callers that it remembers. */
  get size(): number {
    return this.#callers.size;
  }

  /**
   * Admits a call and returns its caller, for `leave`.
   *
   * @param limitKey callers without one share their limits
   * @throws {CallerLimitError} OVERLOADED, with the limit in the message
   */
  enter(limitKey: string | undefined): AdmittedCaller {
    const caller = this.#callers.get(limitKey) ?? this.#add(limitKey);
    const { maxCallsPerCaller, ratePerCaller } = this.#limits;
    if (caller.inFlight >= maxCallsPerCaller) {
      const limit = `has ${maxCallsPerCaller} calls in flight, as many as it may`;
      throw new CallerLimitError(limit, "SESSIOND_MAX_CALLS_PER_CALLER");
    }
    if (ratePerCaller !== undefined) this.#spend(caller, ratePerCaller);
    caller.inFlight += 1;
    return caller;
  }

  /** Must follow `enter` when the call has ended. */
  leave(caller: AdmittedCaller): void {
    caller.inFlight -= 1;
  }

  #spend(caller: AdmittedCaller, { perSecond, burst }: CallRate): void {
    const now = this.#clock();
    const start = Math.max(now, caller.restoredAt);
    const costMs = 1000 / perSecond;
    // A millionth of a call, because sums of fractions are not exact.
    if (start - now > (burst - 1 + 1e-6) * costMs) {
      const limit = `is above its rate of ${perSecond} per second with bursts of ${burst}`;
      throw new CallerLimitError(limit, "SESSIOND_RATE_PER_CALLER");
    }
    caller.restoredAt = start + costMs;
  }

  #add(limitKey: string | undefined): AdmittedCaller {
    if (this.#callers.size >= this.#maxCallers) this.#forgetIdle();
    const caller = { inFlight: 0, restoredAt: 0 };
    this.#callers.set(limitKey, caller);
    return caller;
  }

  /** Forgets all callers without calls in flight. At the worst, they may have their burst again. */
  #forgetIdle(): void {
    for (const [key, { inFlight }] of this.#callers) {
      if (inFlight === 0) this.#callers.delete(key);
    }
    // So that many callers with calls in flight are not looked through for each further one.
    this.#maxCallers = MAX_IDLE_CALLERS + this.#callers.size;
  }
}
