import type { CallContext } from "./call-context.ts";
import type { ListSigningKeysCommand, RotateSigningKeyCommand } from "./commands.ts";
import { SessionError } from "./errors.ts";
import {
  DEFAULT_TENANT,
  isSigningKeyId,
  mintSigningKeyId,
  type RandomBytes,
  type TenantId,
} from "./ids.ts";
import * as input from "./input.ts";
import type { KeyEncryption } from "./key-encryption.ts";
import type { ListPage } from "./list-page.ts";
import { listPosition, nextPageToken, PageTokens, pageSize } from "./pages.ts";
import type { NewSigningKey, SigningKey } from "./signing-key.ts";
import type { RotatedSigningKeys, SigningKeyStore } from "./signing-key-store.ts";

const SECRET_BYTES = 32;

export interface SigningKeyPage extends ListPage<SigningKey> {
  readonly nextPageToken: string;
}

/** The life of signing keys: the first one, rotation, and the keys that they are encrypted with. */
export class SigningKeys {
  readonly #store: SigningKeyStore;
  readonly #encryption: KeyEncryption;
  readonly #random: RandomBytes;

  constructor(store: SigningKeyStore, encryption: KeyEncryption, random: RandomBytes) {
    this.#store = store;
    this.#encryption = encryption;
    this.#random = random;
  }

  /**
   * Decrypts every key and puts those that are under an older key-encryption key under the first
   * one. Nothing is changed unless all of them decrypt.
   *
   * @returns how many were re-encrypted
   * @throws {KeyDecryptionError} if one of them does not decrypt
   */
  async verifyAndRewrap(context: CallContext): Promise<number> {
    for await (const key of this.#store.all(context)) {
      this.#encryption.decrypt(key.encrypted, key.id, key.tenantId);
    }
    let rewrapped = 0;
    for await (const { id, tenantId, encrypted } of this.#store.all(context)) {
      if (encrypted.keyEncryptionKeyId === this.#encryption.primaryKeyId) continue;
      const secret = this.#encryption.decrypt(encrypted, id, tenantId);
      const renewed = this.#encryption.encrypt(secret, id, tenantId);
      await this.#store.rewrap(id, encrypted, renewed, context);
      rewrapped += 1;
    }
    return rewrapped;
  }

  /**
   * Makes the tenant's first key unless it has an active one; returns whether it did.
   * @throws {SessionError} INITIAL_SIGNING_KEY_MINT_FAILED if there is no randomness
   */
  async ensureFirst(tenantId: TenantId, context: CallContext): Promise<boolean> {
    let key: NewSigningKey;
    try {
      key = this.#mint(tenantId);
    } catch (cause) {
      throw new SessionError("INITIAL_SIGNING_KEY_MINT_FAILED", { cause });
    }
    return this.#store.insertFirst(key, context);
  }

  /** The default tenant's first key, made at boot. */
  ensureDefault(context: CallContext): Promise<boolean> {
    return this.ensureFirst(DEFAULT_TENANT, context);
  }

  async rotate(
    command: RotateSigningKeyCommand,
    context: CallContext,
  ): Promise<RotatedSigningKeys> {
    const tenantId = input.tenantId("tenant_id", command.tenantId);
    const actingActorId = input.actingActorId(command.actingActorId);
    return this.#store.rotate(this.#mint(tenantId), actingActorId, context);
  }

  async list(command: ListSigningKeysCommand, context: CallContext): Promise<SigningKeyPage> {
    const tenantId = input.tenantId("tenant_id", command.tenantId);
    const limit = pageSize(command.pageSize);
    const tokens = new PageTokens("signing_keys", tenantId);
    const after = listPosition(tokens.decode(command.pageToken), isSigningKeyId);
    const page = await this.#store.list(tenantId, { after, limit }, context);
    return { ...page, nextPageToken: nextPageToken(tokens, page) };
  }

  #mint(tenantId: TenantId): NewSigningKey {
    const id = mintSigningKeyId(this.#random);
    const encrypted = this.#encryption.encrypt(this.#random(SECRET_BYTES), id, tenantId);
    return { id, tenantId, encrypted };
  }
}
