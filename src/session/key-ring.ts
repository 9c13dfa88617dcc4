import type { AbsentKeys } from "./absent-keys.ts";
import type { CallContext } from "./call-context.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";
import { KeyDecryptionError, type KeyEncryption } from "./key-encryption.ts";
import { MacKey } from "./mac-key.ts";
import { rethrowAsOwn, SharedReads } from "./shared-reads.ts";
import type { KeyFacts, StoredSigningKey } from "./signing-key.ts";
import type { SigningKeyStore } from "./signing-key-store.ts";
import { mayAccess } from "./tenant-access.ts";
import type { UnreadableKeys } from "./unreadable-keys.ts";

/** A decrypted key takes a few hundred bytes. */
const MAX_CACHED_KEYS = 10_000;

/** Of how many tenants the active key is known. */
const MAX_ACTIVE_KEYS = 10_000;

interface CachedKey {
  readonly key: MacKey;
  readonly tenantId: TenantId;
}

export interface ActiveKey {
  readonly id: SigningKeyId;
  readonly key: MacKey;
}

interface UnreadableActiveKey {
  readonly id: SigningKeyId;
  readonly key: "unreadable";
}

export interface KeyRingDependencies {
  readonly store: SigningKeyStore;
  readonly encryption: KeyEncryption;
  readonly unreadable: UnreadableKeys;
  readonly absent: AbsentKeys;
}

/**
 * A cache of decrypted signing keys. Only the material is cached: whether a key may still be used is
 * read from its row, together with each session. Concurrent calls that need the same key share the read
 * of its row and its decryption.
 */
export class KeyRing {
  readonly #store: SigningKeyStore;
  readonly #encryption: KeyEncryption;
  readonly #unreadable: UnreadableKeys;
  readonly #absent: AbsentKeys;
  readonly #keys = new Map<SigningKeyId, CachedKey>();
  readonly #reads = new SharedReads<SigningKeyId, MacKey | "absent" | "unreadable">();
  readonly #tenantReads = new SharedReads<SigningKeyId, TenantId | undefined>();
  /** The newest active keys that this process has seen. Others may have retired them since. */
  readonly #active = new Map<TenantId, ActiveKey>();
  readonly #activeReads = new SharedReads<TenantId, ActiveKey | UnreadableActiveKey | undefined>();

  constructor({ store, encryption, unreadable, absent }: KeyRingDependencies) {
    this.#store = store;
    this.#encryption = encryption;
    this.#unreadable = unreadable;
    this.#absent = absent;
  }

  /** Caches a key that has been decrypted already. */
  add({ id, tenantId, retiredAt }: KeyFacts, material: Buffer): MacKey {
    const key = new MacKey(material);
    makeRoom(this.#keys, MAX_CACHED_KEYS);
    this.#keys.set(id, { key, tenantId });
    if (retiredAt === undefined) this.#setActive(tenantId, { id, key });
    return key;
  }

  /** The tenant's active key, as far as this process knows: another replica may have retired it. */
  active(tenantId: TenantId): ActiveKey | undefined {
    return this.#active.get(tenantId);
  }

  /**
   * Reads and decrypts the tenant's active key. Undefined if it has none.
   *
   * @throws {UnreadableKeyError} STORAGE_UNAVAILABLE, as `find`
   * @throws {SessionError} STORAGE_UNAVAILABLE, as `find`
   */
  async readActive(tenantId: TenantId, context: CallContext): Promise<ActiveKey | undefined> {
    const { signal, callingService, clientKey } = context;
    const read = (signal: AbortSignal) =>
      this.#readActive(tenantId, { signal, callingService, clientKey });
    const found = await this.#activeReads.join(tenantId, signal, read).catch(rethrowAsOwn);
    if (found?.key === "unreadable") throw this.#unreadable.refuse(found.id);
    return found as ActiveKey | undefined;
  }

  /**
   * The key, if it is decrypted already and exists for the caller. For the most frequent calls: `find`
   * makes each of them wait for a promise.
   */
  cached(id: SigningKeyId, context: CallContext): MacKey | undefined {
    const cached = this.#keys.get(id);
    return cached !== undefined && mayAccess(context, cached.tenantId) ? cached.key : undefined;
  }

  /**
   * The key, or undefined if it does not exist for the caller.
   *
   * @throws {UnreadableKeyError} STORAGE_UNAVAILABLE if it cannot be decrypted. Then another replica has a
   * key-encryption key that this one does not have, and the cookie may be valid.
   * @throws {SessionError} STORAGE_UNAVAILABLE if the database or a key management service does not answer
   */
  async find(id: SigningKeyId, context: CallContext): Promise<MacKey | undefined> {
    const cached = this.cached(id, context);
    if (cached !== undefined) return cached;
    const { tenants } = context;
    if (tenants !== undefined && !(await this.#existsFor(tenants, id, context))) return undefined;
    if (this.#unreadable.mustRefuse(id)) throw this.#unreadable.refuse(id);
    if (this.#absent.has(id)) return undefined;
    const { callingService, clientKey } = context;
    const found = await this.#reads
      .join(id, context.signal, (signal) => this.#read(id, { signal, callingService, clientKey }))
      .catch(rethrowAsOwn);
    if (found === "unreadable") throw this.#unreadable.refuse(id);
    return found === "absent" ? undefined : found;
  }

  /**
   * Whether the key exists for callers of these tenants. It neither uses what is known of another
   * tenant's key nor decrypts it: otherwise the time of the call would tell it from one that does not
   * exist.
   */
  async #existsFor(
    tenants: ReadonlySet<TenantId>,
    id: SigningKeyId,
    { signal, callingService, clientKey }: CallContext,
  ): Promise<boolean> {
    const unreadableOf = this.#unreadable.tenantOf(id);
    if (unreadableOf !== undefined && tenants.has(unreadableOf)) return true;
    if (this.#absent.has(id, tenants)) return false;
    const readTenant = async (signal: AbortSignal) =>
      (await this.#store.find(id, { signal, callingService, clientKey }))?.tenantId;
    const tenantId = await this.#tenantReads.join(id, signal, readTenant).catch(rethrowAsOwn);
    if (tenantId !== undefined && tenants.has(tenantId)) return true;
    this.#absent.add(id, tenants, tenantId);
    return false;
  }

  async #read(id: SigningKeyId, context: CallContext): Promise<MacKey | "absent" | "unreadable"> {
    const stored = await this.#store.find(id, context);
    if (stored !== undefined) return this.#decrypt(stored, context);
    this.#unreadable.delete(id);
    this.#absent.add(id);
    return "absent";
  }

  async #readActive(
    tenantId: TenantId,
    context: CallContext,
  ): Promise<ActiveKey | UnreadableActiveKey | undefined> {
    this.#active.delete(tenantId);
    const stored = await this.#store.findActive(tenantId, context);
    if (stored === undefined) return undefined;
    const { id } = stored;
    const key = this.#keys.get(id)?.key ?? (await this.#decrypt(stored, context));
    if (key === "unreadable") return { id, key };
    this.#setActive(tenantId, { id, key });
    return { id, key };
  }

  #setActive(tenantId: TenantId, active: ActiveKey): void {
    this.#active.delete(tenantId);
    makeRoom(this.#active, MAX_ACTIVE_KEYS);
    this.#active.set(tenantId, active);
  }

  async #decrypt(
    stored: StoredSigningKey,
    { signal }: CallContext,
  ): Promise<MacKey | "unreadable"> {
    const { id, tenantId, encrypted } = stored;
    let material: Buffer;
    try {
      material = await this.#encryption.decrypt(encrypted, { id, tenantId }, signal);
    } catch (error) {
      if (!(error instanceof KeyDecryptionError)) throw error;
      this.#unreadable.add(stored);
      return "unreadable";
    }
    this.#unreadable.delete(id);
    return this.add(stored, material);
  }
}

/** Drops the oldest entry of a full map. */
function makeRoom<K>(entries: Map<K, unknown>, max: number): void {
  if (entries.size < max) return;
  // A Map iterates in insertion order, so the first entry is the oldest.
  const [oldest] = entries.keys();
  entries.delete(oldest as K);
}
