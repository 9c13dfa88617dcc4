import type { MonotonicClock } from "./clock.ts";
import { UnreadableKeyError } from "./errors.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";
import type { KeyFacts } from "./signing-key.ts";

/** For this long, cookies of an unreadable key are refused without reading its row again. */
const RETRY_INTERVAL_MS = 10_000;
/** Of the keys, and of the refusals by key. */
const MAX_ENTRIES = 10_000;

interface UnreadableKey {
  readonly tenantId: TenantId;
  /** When its row may be read again. */
  retryAt: number;
}

/**
 * The signing keys that this process could not decrypt, and how often calls were refused for that. A
 * key may become readable while the process runs: another replica can put it under a key-encryption
 * key that this one has.
 */
export class UnreadableKeys {
  readonly #clock: MonotonicClock;
  readonly #onRefusal: () => void;
  readonly #keys = new Map<SigningKeyId, UnreadableKey>();
  #refusals = new Map<SigningKeyId, number>();
  #total = 0;

  /** @param onRefusal called after each refusal is counted */
  constructor(clock: MonotonicClock, onRefusal: () => void = () => {}) {
    this.#clock = clock;
    this.#onRefusal = onRefusal;
  }

  add({ id, tenantId }: KeyFacts): void {
    this.#keys.delete(id);
    this.#keys.set(id, { tenantId, retryAt: this.#clock() + RETRY_INTERVAL_MS });
    if (this.#keys.size <= MAX_ENTRIES) return;
    // A Map iterates in insertion order, so the first entry is the oldest.
    const [oldest] = this.#keys.keys();
    this.#keys.delete(oldest as SigningKeyId);
  }

  /** To be called when the key could be decrypted, or does not exist. */
  delete(id: SigningKeyId): void {
    this.#keys.delete(id);
  }

  /**
   * Whether the key is to be refused without reading its row. If the row is due to be read, only the
   * first call gets false, so that concurrent calls do not all read it.
   */
  mustRefuse(id: SigningKeyId): boolean {
    const key = this.#keys.get(id);
    if (key === undefined) return false;
    const now = this.#clock();
    if (now < key.retryAt) return true;
    key.retryAt = now + RETRY_INTERVAL_MS;
    return false;
  }

  /** The tenant of a key that could not be decrypted when it was last read. */
  tenantOf(id: SigningKeyId): TenantId | undefined {
    return this.#keys.get(id)?.tenantId;
  }

  /**
   * Counts a refusal. It has no cause, so that it is not logged for each call.
   *
   * @returns the error to throw
   */
  refuse(id: SigningKeyId): UnreadableKeyError {
    this.#total += 1;
    if (this.#refusals.size < MAX_ENTRIES || this.#refusals.has(id)) {
      this.#refusals.set(id, (this.#refusals.get(id) ?? 0) + 1);
    }
    this.#onRefusal();
    return new UnreadableKeyError();
  }

  /** The number of keys that could not be decrypted when they were last read. */
  get count(): number {
    return this.#keys.size;
  }

  /** The number of refusals since the start of the process. */
  get total(): number {
    return this.#total;
  }

  /** The refusals by key since the last call of this method. */
  takeRefusals(): ReadonlyMap<SigningKeyId, number> {
    const taken = this.#refusals;
    this.#refusals = new Map();
    return taken;
  }
}
