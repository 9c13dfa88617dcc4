import {
  type EncryptedKey,
  type KeyWrapper,
  UnwrapError,
  type WrapContext,
} from "./key-wrapper.ts";

type Signal = AbortSignal | undefined;

/**
 * A signing key or token key cannot be decrypted: its key-encryption key is not configured or is gone, or its
 * ciphertext is not genuine.
 */
export class KeyDecryptionError extends Error {
  override readonly name = "KeyDecryptionError";
  /** Its key-encryption key is configured, but its ciphertext is not genuine. */
  readonly isCorrupt: boolean;

  constructor({ id, tenantId }: WrapContext, { message, isCorrupt }: UnwrapError) {
    super(
      tenantId === ""
        ? `token key ${id} cannot be decrypted: ${message}`
        : `signing key ${id} cannot be decrypted (tenant ${tenantId}): ${message}`,
    );
    this.isCorrupt = isCorrupt;
  }
}

/**
 * Encrypts signing keys and token keys at rest. The first key wrapper encrypts, and all of them decrypt, so that keys
 * move from one to another by being re-encrypted. Outages are those of KeyWrapper.
 */
export class KeyEncryption {
  readonly #wrappers: readonly KeyWrapper[];
  readonly #first: KeyWrapper;

  constructor(wrappers: readonly KeyWrapper[]) {
    const [first] = wrappers;
    if (first === undefined) throw new RangeError("at least one key-encryption key is needed");
    this.#wrappers = wrappers;
    this.#first = first;
  }

  /** The id of the key-encryption key that `encrypt` would use now. */
  currentKeyId(signal: Signal): Promise<string> {
    return this.#first.currentKeyId(signal);
  }

  encrypt(material: Buffer, context: WrapContext, signal: Signal): Promise<EncryptedKey> {
    return this.#first.wrap(material, context, signal);
  }

  /**
   * Checks that the key is under a key-encryption key that is configured, but neither decrypts
   * it nor asks a key management service.
   *
   * @throws {KeyDecryptionError}
   */
  assertConfigured(keyEncryptionKeyId: string, context: WrapContext): void {
    try {
      this.#wrapperOf(keyEncryptionKeyId);
    } catch (error) {
      throw asDecryptionError(error, context);
    }
  }

  /** @throws {KeyDecryptionError} if the key is not there or the ciphertext is not genuine */
  async decrypt(encrypted: EncryptedKey, context: WrapContext, signal: Signal): Promise<Buffer> {
    try {
      const wrapper = this.#wrapperOf(encrypted.keyEncryptionKeyId);
      return await wrapper.unwrap(encrypted, context, signal);
    } catch (error) {
      throw asDecryptionError(error, context);
    }
  }

  #wrapperOf(keyEncryptionKeyId: string): KeyWrapper {
    const wrapper = this.#wrappers.find((one) => one.has(keyEncryptionKeyId));
    if (wrapper !== undefined) return wrapper;
    const configured = this.#wrappers.map(({ description }) => description).join(", ");
    throw new UnwrapError(
      `it is under key-encryption key ${keyEncryptionKeyId}, and those configured are ${configured}`,
      false,
    );
  }
}

function asDecryptionError(error: unknown, context: WrapContext): unknown {
  return error instanceof UnwrapError ? new KeyDecryptionError(context, error) : error;
}

/** As `decrypt`, but returns the error of a key that cannot be decrypted. */
export async function tryDecrypt(
  encryption: KeyEncryption,
  encrypted: EncryptedKey,
  context: WrapContext,
  signal: Signal,
): Promise<Buffer | KeyDecryptionError> {
  try {
    return await encryption.decrypt(encrypted, context, signal);
  } catch (error) {
    if (error instanceof KeyDecryptionError) return error;
    throw error;
  }
}
