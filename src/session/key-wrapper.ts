import type { SigningKeyId, TenantId, TokenKeyId } from "./ids.ts";

type Signal = AbortSignal | undefined;

/** The material of a signing key or token key, as it is stored. */
export interface EncryptedKey {
  /** In the form of the key wrapper that made it. */
  readonly ciphertext: Buffer;
  /** The id of the key-encryption key that encrypted it. */
  readonly keyEncryptionKeyId: string;
}

/**
 * The key that the material belongs to: a tenant's signing key, or a token key, which is of no tenant. A
 * wrapper must authenticate it with the ciphertext (additional data), so that a ciphertext that is copied
 * to another row cannot be unwrapped there. The ids of the two kinds differ in their prefix, so neither can
 * one that is copied to the other table.
 */
export type WrapContext =
  | { readonly id: SigningKeyId; readonly tenantId: TenantId }
  | { readonly id: TokenKeyId; readonly tenantId: "" };

/**
 * Wraps the material of signing keys and token keys with key-encryption keys: keys of its own, or keys of a key
 * management service that never leave it.
 *
 * If a service does not answer, or refuses for a reason that says nothing about the ciphertext, such as
 * a token that has expired, `currentKeyId`, `wrap` and `unwrap` reject with a SessionError
 * STORAGE_UNAVAILABLE, whose cause is for the log. If `signal` fires, they reject with its reason. No
 * error contains a credential or key material.
 */
export interface KeyWrapper {
  /** What it is, or the ids of its keys; for error messages. */
  readonly description: string;

  /** Whether the key with this id is one of this wrapper's. If not, it cannot unwrap. */
  has(keyEncryptionKeyId: string): boolean;

  /** The id of the key that `wrap` would use now. It changes when a service rotates its key. */
  currentKeyId(signal: Signal): Promise<string>;

  wrap(material: Buffer, context: WrapContext, signal: Signal): Promise<EncryptedKey>;

  /**
   * Only for a key that `has` accepts.
   *
   * @throws {UnwrapError} if the key is gone, or the ciphertext is not genuine or is another row's
   */
  unwrap(encrypted: EncryptedKey, context: WrapContext, signal: Signal): Promise<Buffer>;
}

/** A ciphertext cannot be unwrapped, now or later, unless an operator changes something. */
export class UnwrapError extends Error {
  override readonly name = "UnwrapError";
  /** The key-encryption key is there, but the ciphertext is not genuine. */
  readonly isCorrupt: boolean;

  constructor(message: string, isCorrupt: boolean) {
    super(message);
    this.isCorrupt = isCorrupt;
  }
}

/** The additional data that a wrapper authenticates. */
export function additionalData({ id, tenantId }: WrapContext): Buffer {
  return Buffer.from(JSON.stringify([id, tenantId]));
}
