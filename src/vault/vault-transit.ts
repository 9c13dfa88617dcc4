import { SessionError } from "../session/errors.ts";
import type { SigningKeyId, TenantId } from "../session/ids.ts";
import {
  additionalData,
  type EncryptedKey,
  type KeyWrapper,
  UnwrapError,
  type WrapContext,
} from "../session/key-wrapper.ts";
import { type VaultClient, VaultError } from "./vault-client.ts";

type Signal = AbortSignal | undefined;

export interface VaultTransitOptions {
  /** The name of the transit key: `aes256-gcm96`, or another type with associated data. */
  readonly key: string;
  /** The path of the transit secrets engine. */
  readonly mount: string;
  /** Undefined: the root namespace. */
  readonly namespace: string | undefined;
}

const CIPHERTEXT = /^vault:v(\d{1,9}):[A-Za-z0-9+/]+={0,2}$/;
const KEY_IS_MISSING = /encryption key not found/;
/** The version was deleted, is below min_decryption_version, or is of another Vault. */
const VERSION_IS_MISSING = /disallowed by policy|too old|too new|no such key version/;

/** What is wrapped to find out the current version of the key. It is no secret. */
const PROBE = Buffer.alloc(32);
const PROBE_CONTEXT = { id: "probe" as SigningKeyId, tenantId: "probe" as TenantId };
const OTHER_CONTEXT = { id: "probe" as SigningKeyId, tenantId: "other" as TenantId };
/** Of the right form, and encrypted by nobody. */
const IMPOSSIBLE_CIPHERTEXT = `vault:v1:${Buffer.alloc(60).toString("base64")}`;

/**
 * Wraps with a key of the transit secrets engine of HashiCorp Vault or OpenBao, which never leaves it.
 * The key's rotation changes `currentKeyId`; all versions that Vault still decrypts can be unwrapped.
 */
export class VaultTransit implements KeyWrapper {
  readonly description: string;
  readonly #client: VaultClient;
  readonly #mount: string;
  readonly #key: string;
  /** Of all ids of this key; the version follows. */
  readonly #idPrefix: string;

  constructor(client: VaultClient, { key, mount, namespace }: VaultTransitOptions) {
    this.#client = client;
    this.#mount = mount;
    this.#key = key;
    const path = [namespace, mount, key].filter((part) => part !== undefined).join("/");
    this.description = `vault-transit:${path}`;
    this.#idPrefix = `${this.description}:v`;
  }

  has(keyEncryptionKeyId: string): boolean {
    return this.#versionOf(keyEncryptionKeyId) !== undefined;
  }

  async currentKeyId(signal: Signal): Promise<string> {
    return (await this.wrap(PROBE, PROBE_CONTEXT, signal)).keyEncryptionKeyId;
  }

  wrap(material: Buffer, context: WrapContext, signal: Signal): Promise<EncryptedKey> {
    return this.#encrypt(material, context, signal).catch(asOutage);
  }

  unwrap(encrypted: EncryptedKey, context: WrapContext, signal: Signal): Promise<Buffer> {
    return this.#decrypt(encrypted, context, signal).catch(asOutage);
  }

  /**
   * Checks that Vault can be used: that the key exists, that the token may encrypt and decrypt with it,
   * and that it authenticates the associated data. It creates nothing, not even if the token may.
   *
   * @throws {VaultError}
   */
  async check(signal: Signal): Promise<void> {
    await this.#assertKeyExists(signal);
    const encrypted = await this.#encrypt(PROBE, PROBE_CONTEXT, signal);
    if (!(await this.#isGenuine(encrypted, PROBE_CONTEXT, signal))) {
      throw this.#unusable("does not decrypt what it has just encrypted");
    }
    if (await this.#isGenuine(encrypted, OTHER_CONTEXT, signal)) {
      throw this.#unusable("does not authenticate associated data; Vault 1.12 or newer does");
    }
  }

  /** Encrypting with a key that does not exist would create it. Decrypting does not. */
  async #assertKeyExists(signal: Signal): Promise<void> {
    try {
      await this.#post("decrypt", { ciphertext: IMPOSSIBLE_CIPHERTEXT }, signal);
    } catch (error) {
      if (!(error instanceof VaultError) || error.status !== 400) throw error;
      if (!KEY_IS_MISSING.test(error.message)) return;
      throw this.#unusable(
        `does not exist; create it with \`vault write -f ${this.#mount}/keys/${this.#key}\``,
      );
    }
  }

  async #isGenuine(
    encrypted: EncryptedKey,
    context: WrapContext,
    signal: Signal,
  ): Promise<boolean> {
    try {
      return PROBE.equals(await this.#decrypt(encrypted, context, signal));
    } catch (error) {
      if (error instanceof UnwrapError) return false;
      throw error;
    }
  }

  #unusable(why: string): VaultError {
    return new VaultError(`the key ${this.description} ${why}`, { isTransient: false });
  }

  async #encrypt(material: Buffer, context: WrapContext, signal: Signal): Promise<EncryptedKey> {
    const { ciphertext } = await this.#post(
      "encrypt",
      {
        plaintext: material.toString("base64"),
        associated_data: additionalData(context).toString("base64"),
      },
      signal,
    );
    const [, version] = CIPHERTEXT.exec(String(ciphertext)) ?? [];
    if (version === undefined) throw this.#unusable("returned a ciphertext of an unknown form");
    return {
      ciphertext: Buffer.from(String(ciphertext)),
      keyEncryptionKeyId: `${this.#idPrefix}${version}`,
    };
  }

  async #decrypt(encrypted: EncryptedKey, context: WrapContext, signal: Signal): Promise<Buffer> {
    const { keyEncryptionKeyId } = encrypted;
    const ciphertext = encrypted.ciphertext.toString("latin1");
    const [, version] = CIPHERTEXT.exec(ciphertext) ?? [];
    if (version === undefined || version !== this.#versionOf(keyEncryptionKeyId)) {
      throw new UnwrapError(`its ciphertext is not one of ${keyEncryptionKeyId}`, true);
    }
    const associatedData = additionalData(context).toString("base64");
    try {
      const body = { ciphertext, associated_data: associatedData };
      const { plaintext } = await this.#post("decrypt", body, signal);
      if (typeof plaintext === "string") return Buffer.from(plaintext, "base64");
    } catch (error) {
      throw this.#asUnwrapError(error, keyEncryptionKeyId);
    }
    throw this.#unusable("returned no plaintext");
  }

  /** With status 400, Vault says that it will not decrypt this ciphertext. */
  #asUnwrapError(error: unknown, keyEncryptionKeyId: string): unknown {
    if (!(error instanceof VaultError) || error.status !== 400) return error;
    const { message } = error;
    const isMissing = KEY_IS_MISSING.test(message) || VERSION_IS_MISSING.test(message);
    const what = isMissing
      ? `Vault does not have its key-encryption key ${keyEncryptionKeyId}`
      : `its ciphertext is corrupt, although Vault has its key-encryption key ${keyEncryptionKeyId}`;
    return new UnwrapError(`${what} (${message})`, !isMissing);
  }

  #post(
    operation: "encrypt" | "decrypt",
    body: Readonly<Record<string, string>>,
    signal: Signal,
  ): Promise<Readonly<Record<string, unknown>>> {
    return this.#client.post(`${this.#mount}/${operation}/${this.#key}`, body, signal);
  }

  #versionOf(keyEncryptionKeyId: string): string | undefined {
    if (!keyEncryptionKeyId.startsWith(this.#idPrefix)) return undefined;
    const version = keyEncryptionKeyId.slice(this.#idPrefix.length);
    return /^[1-9]\d{0,8}$/.test(version) ? version : undefined;
  }
}

/** To callers, Vault is a part of the storage. */
function asOutage(error: unknown): never {
  if (!(error instanceof VaultError)) throw error;
  throw new SessionError("STORAGE_UNAVAILABLE", { cause: error });
}
