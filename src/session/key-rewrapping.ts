import type { CallContext } from "./call-context.ts";
import { forEachConcurrently } from "./concurrently.ts";
import { KeyDecryptionError, type KeyEncryption, tryDecrypt } from "./key-encryption.ts";
import type { EncryptedKey, WrapContext } from "./key-wrapper.ts";

/** How many keys are decrypted at once. It matters with a key management service. */
const DECRYPT_CONCURRENCY = 16;
/** How many keys are re-encrypted at once. It leaves connections of the pool for calls. */
const REWRAP_CONCURRENCY = 4;
/** Two are usual: one that re-encrypts, and one that finds nothing to do. */
const MAX_REWRAP_PASSES = 10;

interface WithCiphertext {
  readonly encrypted: EncryptedKey;
}

/** The keys of one table. */
export interface WrappedKeys<Key extends WithCiphertext> {
  /** All keys, in batches. */
  all(context: CallContext): AsyncIterable<Key>;
  contextOf(key: Key): WrapContext;
  /** Replaces the ciphertext of the key, unless another process has; returns whether it did. */
  replace(key: Key, to: EncryptedKey, context: CallContext): Promise<boolean>;
}

export interface Rewrapped {
  /** How many keys were re-encrypted. */
  readonly rewrapped: number;
  /** The current key-encryption key. */
  readonly keyEncryptionKeyId: string;
  /**
   * Whether all keys that can be decrypted are under it. Not if others kept changing keys meanwhile, such
   * as a replica whose first key-encryption key is another one.
   */
  readonly isComplete: boolean;
}

/**
 * Decrypts all keys.
 *
 * @param visit gets each key with its material, or with the reason why it cannot be decrypted. If it
 * throws, this rejects with that.
 */
export function decryptAll<Key extends WithCiphertext>(
  keys: WrappedKeys<Key>,
  encryption: KeyEncryption,
  visit: (key: Key, material: Buffer | KeyDecryptionError) => void,
  context: CallContext,
): Promise<void> {
  return forEachConcurrently(keys.all(context), DECRYPT_CONCURRENCY, async (key) => {
    const wrapContext = keys.contextOf(key);
    visit(key, await tryDecrypt(encryption, key.encrypted, wrapContext, context.signal));
  });
}

/**
 * Re-encrypts the keys that are not under the current key-encryption key. Leaves alone what cannot be
 * decrypted. Any number of processes may do so at once, beside rotations. If it is interrupted, each key is
 * under its old key-encryption key or under the current one, and another run completes it.
 */
export async function rewrapAll<Key extends WithCiphertext>(
  keys: WrappedKeys<Key>,
  encryption: KeyEncryption,
  context: CallContext,
): Promise<Rewrapped> {
  let [passes, rewrapped] = [0, 0];
  let keyEncryptionKeyId: string;
  let isComplete: boolean;
  do {
    keyEncryptionKeyId = await encryption.currentKeyId(context.signal);
    const found = await rewrapOnce(keys, encryption, keyEncryptionKeyId, context);
    passes += 1;
    rewrapped += found.rewrapped;
    // Keys that another replica has made or re-encrypted meanwhile are found by the next pass.
    isComplete = found.attempted === 0;
  } while (!isComplete && passes < MAX_REWRAP_PASSES);
  return { rewrapped, keyEncryptionKeyId, isComplete };
}

/** Goes once through all keys that are not under this key-encryption key. */
async function rewrapOnce<Key extends WithCiphertext>(
  keys: WrappedKeys<Key>,
  encryption: KeyEncryption,
  keyEncryptionKeyId: string,
  context: CallContext,
): Promise<{ readonly attempted: number; readonly rewrapped: number }> {
  const { signal } = context;
  let [attempted, rewrapped] = [0, 0];
  await forEachConcurrently(keys.all(context), REWRAP_CONCURRENCY, async (key) => {
    if (key.encrypted.keyEncryptionKeyId === keyEncryptionKeyId) return;
    const wrapContext = keys.contextOf(key);
    const material = await tryDecrypt(encryption, key.encrypted, wrapContext, signal);
    if (material instanceof KeyDecryptionError) return;
    attempted += 1;
    const renewed = await encryption.encrypt(material, wrapContext, signal);
    if (await keys.replace(key, renewed, context)) rewrapped += 1;
  });
  return { attempted, rewrapped };
}
