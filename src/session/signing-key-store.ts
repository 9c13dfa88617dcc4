import type { CallContext } from "./call-context.ts";
import type { Instant } from "./clock.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";
import type { EncryptedKey } from "./key-encryption.ts";
import type { ListPage, ListPosition } from "./list-page.ts";
import type { NewSigningKey, SigningKey, StoredSigningKey } from "./signing-key.ts";

export interface RotatedSigningKeys {
  readonly now: Instant;
  readonly active: SigningKey;
  readonly retired: SigningKey | undefined;
}

export interface SigningKeyStore {
  /** Undefined if there is no such key. */
  find(id: SigningKeyId, context: CallContext): Promise<StoredSigningKey | undefined>;

  /**
   * Makes `key` the tenant's active key if it has none; returns whether it did. However many run
   * at once, one does.
   */
  insertFirst(key: NewSigningKey, context: CallContext): Promise<boolean>;

  /**
   * Retires the tenant's active key and makes `key` the active one, in one transaction. However
   * many run at once, all succeed one after the other and exactly one key stays active.
   */
  rotate(
    key: NewSigningKey,
    actingActorId: string,
    context: CallContext,
  ): Promise<RotatedSigningKeys>;

  /** All keys of all tenants, in batches. */
  all(context: CallContext): AsyncIterable<StoredSigningKey>;

  /** Replaces a key's ciphertext, unless another process has replaced `from` meanwhile. */
  rewrap(
    id: SigningKeyId,
    from: EncryptedKey,
    to: EncryptedKey,
    context: CallContext,
  ): Promise<void>;

  /** A tenant's keys, newest first. */
  list(
    tenantId: TenantId,
    options: { readonly after: ListPosition<SigningKeyId> | undefined; readonly limit: number },
    context: CallContext,
  ): Promise<ListPage<SigningKey>>;
}
