import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
} from "node:crypto";
import type { RandomBytes } from "./ids.ts";
import {
  additionalData,
  type EncryptedKey,
  type KeyWrapper,
  UnwrapError,
  type WrapContext,
} from "./key-wrapper.ts";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The id of a key-encryption key. It reveals nothing about the key, but equal keys have equal ids. */
export function keyEncryptionKeyId(key: Buffer): string {
  return createHash("sha256")
    .update("sessiond key-encryption key id")
    .update(key)
    .digest("hex")
    .slice(0, 16);
}

/**
 * Key-encryption keys in the memory of this process. Wraps with AES-256-GCM (ASVS 11.3): a ciphertext
 * is the nonce, the encrypted material and the tag. The first key wraps, and all of them unwrap.
 */
export class LocalKeyWrapper implements KeyWrapper {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #random: RandomBytes;
  readonly #currentKeyId: string;

  /** @param keys one or more, of 32 bytes each */
  constructor(keys: readonly Buffer[], random: RandomBytes) {
    const [first] = keys;
    if (first === undefined) throw new RangeError("at least one key-encryption key is needed");
    this.#keys = new Map(keys.map((key) => [keyEncryptionKeyId(key), createSecretKey(key)]));
    this.#random = random;
    this.#currentKeyId = keyEncryptionKeyId(first);
  }

  get description(): string {
    return [...this.#keys.keys()].join(", ");
  }

  has(keyEncryptionKeyId: string): boolean {
    return this.#keys.has(keyEncryptionKeyId);
  }

  async currentKeyId(): Promise<string> {
    return this.#currentKeyId;
  }

  async wrap(material: Buffer, context: WrapContext): Promise<EncryptedKey> {
    const key = this.#key(this.#currentKeyId);
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(additionalData(context));
    const ciphertext = Buffer.concat([
      nonce,
      cipher.update(material),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return { ciphertext, keyEncryptionKeyId: this.#currentKeyId };
  }

  async unwrap(encrypted: EncryptedKey, context: WrapContext): Promise<Buffer> {
    const { ciphertext, keyEncryptionKeyId } = encrypted;
    const key = this.#key(keyEncryptionKeyId);
    const corrupt = () =>
      new UnwrapError(
        `its ciphertext is corrupt, although its key-encryption key ${keyEncryptionKeyId} is configured`,
        true,
      );
    if (ciphertext.length < NONCE_BYTES + TAG_BYTES) throw corrupt();
    const decipher = createDecipheriv(ALGORITHM, key, ciphertext.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(additionalData(context));
    decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES));
    const body = ciphertext.subarray(NONCE_BYTES, -TAG_BYTES);
    try {
      return Buffer.concat([decipher.update(body), decipher.final()]);
    } catch {
      throw corrupt();
    }
  }

  #key(id: string): KeyObject {
    const key = this.#keys.get(id);
    if (key === undefined) throw new RangeError(`there is no key-encryption key ${id} here`);
    return key;
  }
}
