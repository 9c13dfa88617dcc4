import type { MonotonicClock } from "./clock.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";

/** For this long, an id that no key has is not looked up again. */
const RETRY_INTERVAL_MS = 1000;
const MAX_ENTRIES = 10_000;

type Tenants = ReadonlySet<TenantId> | undefined;

interface LookUp {
  /** The tenant of the key that the id has; undefined if no key has it. */
  readonly tenantId: TenantId | undefined;
  /** When the id may be looked up again. */
  readonly retryAt: number;
}

/**
 * The ids that callers have looked up a moment ago in vain, so that cookies that keep naming one do not
 * cost a query each, however many callers send them. A key that another replica has just made is not
 * among them: its id is 128 random bits, which nobody can have asked for before it was made.
 */
export class AbsentKeys {
  readonly #clock: MonotonicClock;
  /** The look-ups for callers of all tenants, the earliest first. */
  readonly #ofAll = new Map<SigningKeyId, LookUp>();
  /**
   * Those for callers that are limited to tenants. They are kept apart: a look-up for a caller of all
   * tenants finds keys that others must not know of. If it spared these a query for ids that no key has
   * only, the time of their calls would tell such ids from those of other tenants' keys.
   */
  readonly #ofLimited = new Map<SigningKeyId, LookUp>();

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /**
   * To be called when a look-up has found no key for callers of these tenants.
   *
   * @param tenants undefined: all
   * @param tenantId of the key, if others have it
   */
  add(id: SigningKeyId, tenants?: Tenants, tenantId?: TenantId): void {
    const lookUps = this.#lookUpsFor(tenants);
    const now = this.#clock();
    lookUps.delete(id);
    lookUps.set(id, { tenantId, retryAt: now + RETRY_INTERVAL_MS });
    for (const [oldest, { retryAt }] of lookUps) {
      if (retryAt > now && lookUps.size <= MAX_ENTRIES) break;
      lookUps.delete(oldest);
    }
  }

  /** Whether a look-up a moment ago shows that the key does not exist for callers of these tenants. */
  has(id: SigningKeyId, tenants?: Tenants): boolean {
    const lookUp = this.#lookUpsFor(tenants).get(id);
    if (lookUp === undefined || this.#clock() >= lookUp.retryAt) return false;
    return lookUp.tenantId === undefined || tenants?.has(lookUp.tenantId) !== true;
  }

  #lookUpsFor(tenants: Tenants): Map<SigningKeyId, LookUp> {
    return tenants === undefined ? this.#ofAll : this.#ofLimited;
  }
}
