import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
} from "node:crypto";
import type { RandomBytes, SigningKeyId, TenantId } from "./ids.ts";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The material of a signing key, as it is stored. */
export interface EncryptedKey {
  /** Nonce, ciphertext and tag, in this order. */
  readonly ciphertext: Buffer;
  /** The id of the key-encryption key that encrypted it. */
  readonly keyEncryptionKeyId: string;
}

/**
 * A signing key cannot be decrypted: its key-encryption key is not configured, or its ciphertext is
 * not genuine.
 */
export class KeyDecryptionError extends Error {
  override readonly name = "KeyDecryptionError";
  /** Its key-encryption key is configured, but its ciphertext is not genuine. */
  readonly isCorrupt: boolean;

  constructor(
    { id, tenantId, keyEncryptionKeyId }: EncryptedKeyOwner,
    configured: readonly string[],
  ) {
    const isCorrupt = configured.includes(keyEncryptionKeyId);
    const why = isCorrupt
      ? `its ciphertext is corrupt, although its key-encryption key ${keyEncryptionKeyId} is configured`
      : `it is under key-encryption key ${keyEncryptionKeyId}, and those configured are ${configured.join(", ")}`;
    super(`signing key ${id} cannot be decrypted (tenant ${tenantId}): ${why}`);
    this.isCorrupt = isCorrupt;
  }
}

interface EncryptedKeyOwner {
  readonly id: SigningKeyId;
  readonly tenantId: TenantId;
  readonly keyEncryptionKeyId: string;
}

/** The id of a key-encryption key. It reveals nothing about the key, but equal keys have equal ids. */
export function keyEncryptionKeyId(key: Buffer): string {
  return createHash("sha256")
    .update("sessiond key-encryption key id")
    .update(key)
    .digest("hex")
    .slice(0, 16);
}

/**
 * The key's id and tenant are authenticated, too. So a ciphertext that is copied to another row cannot
 * be decrypted there.
 */
function additionalData(id: SigningKeyId, tenantId: TenantId): Buffer {
  return Buffer.from(JSON.stringify([id, tenantId]));
}

/**
 * Encrypts signing keys at rest with AES-256-GCM (ASVS 11.3). The first key-encryption key encrypts,
 * and all of them decrypt.
 */
export class KeyEncryption {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #random: RandomBytes;
  readonly primaryKeyId: string;

  constructor(keys: readonly Buffer[], random: RandomBytes) {
    const [primary] = keys;
    if (primary === undefined) throw new RangeError("at least one key-encryption key is needed");
    this.#keys = new Map(keys.map((key) => [keyEncryptionKeyId(key), createSecretKey(key)]));
    this.#random = random;
    this.primaryKeyId = keyEncryptionKeyId(primary);
  }

  encrypt(material: Buffer, id: SigningKeyId, tenantId: TenantId): EncryptedKey {
    const key = this.#keys.get(this.primaryKeyId) as KeyObject;
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(additionalData(id, tenantId));
    const ciphertext = Buffer.concat([
      nonce,
      cipher.update(material),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return { ciphertext, keyEncryptionKeyId: this.primaryKeyId };
  }

  /** @throws {KeyDecryptionError} if the key is not configured or the ciphertext is not genuine */
  decrypt(encrypted: EncryptedKey, id: SigningKeyId, tenantId: TenantId): Buffer {
    const { ciphertext, keyEncryptionKeyId } = encrypted;
    const key = this.#keys.get(keyEncryptionKeyId);
    if (key === undefined || ciphertext.length < NONCE_BYTES + TAG_BYTES) {
      throw this.#failure({ id, tenantId, keyEncryptionKeyId });
    }
    const decipher = createDecipheriv(ALGORITHM, key, ciphertext.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(additionalData(id, tenantId));
    decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES));
    const body = ciphertext.subarray(NONCE_BYTES, -TAG_BYTES);
    try {
      return Buffer.concat([decipher.update(body), decipher.final()]);
    } catch {
      throw this.#failure({ id, tenantId, keyEncryptionKeyId });
    }
  }

  #failure(owner: EncryptedKeyOwner): KeyDecryptionError {
    return new KeyDecryptionError(owner, [...this.#keys.keys()]);
  }
}
