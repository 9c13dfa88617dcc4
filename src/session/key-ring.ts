import type { CallContext } from "./call-context.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";
import { KeyDecryptionError, type KeyEncryption } from "./key-encryption.ts";
import { MacKey } from "./mac-key.ts";
import type { StoredSigningKey } from "./signing-key.ts";
import type { SigningKeyStore } from "./signing-key-store.ts";
import type { UnreadableKeys } from "./unreadable-keys.ts";

/** A decrypted key takes a few hundred bytes. */
const MAX_CACHED_KEYS = 10_000;

/**
 * A cache of decrypted signing keys. Only the material is cached: whether a key may still be used is
 * read from its row, together with each session.
 */
export class KeyRing {
  readonly #store: SigningKeyStore;
  readonly #encryption: KeyEncryption;
  readonly #unreadable: UnreadableKeys;
  readonly #keys = new Map<SigningKeyId, MacKey>();

  constructor(store: SigningKeyStore, encryption: KeyEncryption, unreadable: UnreadableKeys) {
    this.#store = store;
    this.#encryption = encryption;
    this.#unreadable = unreadable;
  }

  /**
   * The key, or undefined if it does not exist.
   *
   * @throws {UnreadableKeyError} STORAGE_UNAVAILABLE if it cannot be decrypted. Then another replica has a
   * key-encryption key that this one does not have, and the cookie may be valid.
   */
  async find(id: SigningKeyId, context: CallContext): Promise<MacKey | undefined> {
    const cached = this.#keys.get(id);
    if (cached !== undefined) return cached;
    if (this.#unreadable.mustRefuse(id)) throw this.#unreadable.refuse(id);
    const stored = await this.#store.find(id, context);
    if (stored !== undefined) return this.#add(stored, context);
    this.#unreadable.delete(id);
    return undefined;
  }

  /**
   * Checks that the tenant's active key, if it has one, can be decrypted, so that Create stores no
   * session whose cookie it cannot sign. It reads the key only if it could not be decrypted before.
   *
   * @throws {UnreadableKeyError} STORAGE_UNAVAILABLE
   */
  async assertCanSign(tenantId: TenantId, context: CallContext): Promise<void> {
    if (!this.#unreadable.hasTenant(tenantId)) return;
    const active = await this.#store.findActive(tenantId, context);
    if (active !== undefined && !this.#keys.has(active.id)) await this.#add(active, context);
    this.#unreadable.deleteTenant(tenantId);
  }

  async #add(stored: StoredSigningKey, { signal }: CallContext): Promise<MacKey> {
    const { id, tenantId, encrypted } = stored;
    let key: MacKey;
    try {
      key = new MacKey(await this.#encryption.decrypt(encrypted, id, tenantId, signal));
    } catch (error) {
      if (!(error instanceof KeyDecryptionError)) throw error;
      this.#unreadable.add(stored);
      throw this.#unreadable.refuse(id);
    }
    this.#unreadable.delete(id);
    if (this.#keys.size >= MAX_CACHED_KEYS) {
      // A Map iterates in insertion order, so the first entry is the oldest.
      const [oldest] = this.#keys.keys();
      this.#keys.delete(oldest as SigningKeyId);
    }
    this.#keys.set(id, key);
    return key;
  }
}
