import type { CallContext } from "./call-context.ts";
import { SessionError } from "./errors.ts";
import type { SigningKeyId } from "./ids.ts";
import type { KeyEncryption } from "./key-encryption.ts";
import { MacKey } from "./mac-key.ts";
import type { StoredSigningKey } from "./signing-key.ts";
import type { SigningKeyStore } from "./signing-key-store.ts";

/** A decrypted key takes a few hundred bytes. */
const MAX_CACHED_KEYS = 10_000;

/**
 * A cache of decrypted signing keys. Only the material is cached: whether a key may still be used is
 * read from its row, together with each session.
 */
export class KeyRing {
  readonly #store: SigningKeyStore;
  readonly #encryption: KeyEncryption;
  readonly #keys = new Map<SigningKeyId, MacKey>();

  constructor(store: SigningKeyStore, encryption: KeyEncryption) {
    this.#store = store;
    this.#encryption = encryption;
  }

  /**
   * The key, or undefined if it does not exist.
   *
   * @throws {SessionError} STORAGE_UNAVAILABLE if it cannot be decrypted. Then another replica has a
   * key-encryption key that this one does not have, and the cookie may be valid.
   */
  async find(id: SigningKeyId, context: CallContext): Promise<MacKey | undefined> {
    const cached = this.#keys.get(id);
    if (cached !== undefined) return cached;
    const stored = await this.#store.find(id, context);
    return stored === undefined ? undefined : this.#add(stored);
  }

  #add(stored: StoredSigningKey): MacKey {
    const { id, tenantId, encrypted } = stored;
    let key: MacKey;
    try {
      key = new MacKey(this.#encryption.decrypt(encrypted, id, tenantId));
    } catch (cause) {
      throw new SessionError("STORAGE_UNAVAILABLE", { cause });
    }
    if (this.#keys.size >= MAX_CACHED_KEYS) {
      // A Map iterates in insertion order, so the first entry is the oldest.
      const [oldest] = this.#keys.keys();
      this.#keys.delete(oldest as SigningKeyId);
    }
    this.#keys.set(id, key);
    return key;
  }
}
