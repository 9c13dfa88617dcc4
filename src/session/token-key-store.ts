import type { CallContext } from "./call-context.ts";
import type { Instant } from "./clock.ts";
import type { TokenKeyId } from "./ids.ts";
import type { EncryptedKey } from "./key-wrapper.ts";
import type { ListPage, ListPosition } from "./list-page.ts";
import type { NewTokenKey, StoredTokenKey, TokenKey } from "./token-key.ts";

export interface PublishedTokenKeys {
  /** 0 if there are none. */
  readonly now: Instant;
  readonly keys: readonly StoredTokenKey[];
}

export interface TokenKeyRotation {
  /** The new key signs at once, and no other one is published any more. */
  readonly immediately: boolean;
  /** Otherwise the new key begins to sign after this time, */
  readonly publishDelayMs: number;
  /** and no other one is published for longer than this after that. */
  readonly keepMs: number;
  readonly actingActorId: string;
}

export interface RotatedTokenKeys {
  readonly now: Instant;
  readonly newKey: TokenKey;
  /** The keys whose end this rotation has set, newest first. */
  readonly retired: readonly TokenKey[];
}

/** The storage of token keys. CallContext states what all stores have in common. */
export interface TokenKeyStore {
  /** The keys that tokens are verified with now, in no order. */
  published(context: CallContext): Promise<PublishedTokenKeys>;

  /**
   * Stores `key`, which signs from now on, if there is no key without an end; returns whether it did. Of
   * concurrent calls, one does.
   */
  insertFirst(key: NewTokenKey, context: CallContext): Promise<boolean>;

  /**
   * Stores `key` without an end, and sets the end of the key that has none, in one transaction. It also
   * brings forward the ends of keys that would be published for longer, so that no two keys are ACTIVE.
   * All concurrent calls succeed, one after the other, and exactly one key is left without an end.
   */
  rotate(
    key: NewTokenKey,
    rotation: TokenKeyRotation,
    context: CallContext,
  ): Promise<RotatedTokenKeys>;

  /** All keys, in batches. */
  all(context: CallContext): AsyncIterable<StoredTokenKey>;

  /**
   * Replaces the ciphertext `from` of a key; returns whether it did. It does not if another process has
   * already replaced it, or the key is gone. It changes nothing else of the key.
   */
  rewrap(
    id: TokenKeyId,
    from: EncryptedKey,
    to: EncryptedKey,
    context: CallContext,
  ): Promise<boolean>;

  /** The keys, newest first. */
  list(
    options: { readonly after: ListPosition<TokenKeyId> | undefined; readonly limit: number },
    context: CallContext,
  ): Promise<ListPage<TokenKey>>;
}
