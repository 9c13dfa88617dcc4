import type { CallContext } from "./call-context.ts";
import type { Instant } from "./clock.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";
import type { EncryptedKey } from "./key-wrapper.ts";
import type { ListPage, ListPosition } from "./list-page.ts";
import type { NewSigningKey, SigningKey, StoredSigningKey } from "./signing-key.ts";

export interface RotatedSigningKeys {
  readonly now: Instant;
  readonly active: SigningKey;
  readonly retired: SigningKey | undefined;
}

/** The storage of signing keys. CallContext states what all stores have in common. */
export interface SigningKeyStore {
  /** Undefined if the key does not exist. */
  find(id: SigningKeyId, context: CallContext): Promise<StoredSigningKey | undefined>;

  /** The tenant's active key. Undefined if it has none. */
  findActive(tenantId: TenantId, context: CallContext): Promise<StoredSigningKey | undefined>;

  /**
   * Stores `key` as the tenant's active key if the tenant has none; returns whether it did. Of
   * concurrent calls, one does.
   */
  insertFirst(key: NewSigningKey, context: CallContext): Promise<boolean>;

  /**
   * Retires the tenant's active key and stores `key` as the active one, in one transaction. All
   * concurrent calls succeed, one after the other, and exactly one key stays active.
   */
  rotate(
    key: NewSigningKey,
    actingActorId: string,
    context: CallContext,
  ): Promise<RotatedSigningKeys>;

  /** All keys of all tenants, in batches. */
  all(context: CallContext): AsyncIterable<StoredSigningKey>;

  /**
   * Replaces the ciphertext `from` of a key; returns whether it did. It does not if another process has
   * already replaced it, or the key is gone. It changes nothing else of the key.
   */
  rewrap(
    id: SigningKeyId,
    from: EncryptedKey,
    to: EncryptedKey,
    context: CallContext,
  ): Promise<boolean>;

  /** A tenant's keys, newest first. */
  list(
    tenantId: TenantId,
    options: { readonly after: ListPosition<SigningKeyId> | undefined; readonly limit: number },
    context: CallContext,
  ): Promise<ListPage<SigningKey>>;
}
