import type { CallContext } from "./call-context.ts";
import { SessionError } from "./errors.ts";
import type { SigningKeyId } from "./ids.ts";
import type { KeyEncryption } from "./key-encryption.ts";
import { MacKey } from "./mac-key.ts";
import type { StoredSigningKey } from "./signing-key.ts";
import type { SigningKeyStore } from "./signing-key-store.ts";

/** Each decrypted key takes some hundred bytes; this many tenants' keys stay in memory. */
const MAX_CACHED_KEYS = 10_000;

/**
 * Decrypted signing keys, by id. Only the material is cached: whether a key may still be used is
 * read from its row with every session.
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
   * The key, ready to verify; undefined if no such key exists.
   * @throws {SessionError} STORAGE_UNAVAILABLE if its row cannot be decrypted: another replica has a
   * key-encryption key that this one lacks, which says nothing about the cookie
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
      // The oldest entry goes; a Map iterates in the order of insertion.
      const [oldest] = this.#keys.keys();
      this.#keys.delete(oldest as SigningKeyId);
    }
    this.#keys.set(id, key);
    return key;
  }
}
