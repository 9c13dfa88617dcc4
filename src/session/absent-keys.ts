import type { MonotonicClock } from "./clock.ts";
import type { SigningKeyId } from "./ids.ts";

/** For this long, an id that no key has is not looked up again. */
const RETRY_INTERVAL_MS = 1000;
const MAX_ENTRIES = 10_000;

/**
 * The ids that no signing key had a moment ago, so that cookies that keep naming one do not cost a query
 * each. A key that another replica has just made is not among them: its id is 128 random bits, which
 * nobody can have asked for before it was made.
 */
export class AbsentKeys {
  readonly #clock: MonotonicClock;
  /** When the id may be looked up again, the earliest first. */
  readonly #retryAt = new Map<SigningKeyId, number>();

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /** To be called when a look-up has found no key. */
  add(id: SigningKeyId): void {
    const now = this.#clock();
    this.#retryAt.delete(id);
    this.#retryAt.set(id, now + RETRY_INTERVAL_MS);
    for (const [oldest, retryAt] of this.#retryAt) {
      if (retryAt > now && this.#retryAt.size <= MAX_ENTRIES) break;
      this.#retryAt.delete(oldest);
    }
  }

  has(id: SigningKeyId): boolean {
    const retryAt = this.#retryAt.get(id);
    return retryAt !== undefined && this.#clock() < retryAt;
  }
}
