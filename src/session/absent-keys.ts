import type { MonotonicClock } from "./clock.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";

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
  readonly #ofTenants = new WeakMap<ReadonlySet<TenantId>, AbsentKeys>();
  /** When the id may be looked up again, the earliest first. */
  readonly #retryAt = new Map<SigningKeyId, number>();

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /**
   * The ids that do not exist for callers of these tenants. They are kept apart, because the same key
   * may exist for others.
   */
  forTenants(tenants: ReadonlySet<TenantId>): AbsentKeys {
    let absent = this.#ofTenants.get(tenants);
    if (absent === undefined) {
      absent = new AbsentKeys(this.#clock);
      this.#ofTenants.set(tenants, absent);
    }
    return absent;
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
