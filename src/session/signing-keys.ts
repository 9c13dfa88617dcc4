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
import { Violations } from "./violations.ts";

const SECRET_BYTES = 32;

export interface SigningKeyPage extends ListPage<SigningKey> {
  readonly nextPageToken: string;
}

/** Creates, rotates, lists and re-encrypts signing keys. */
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
   * Decrypts all signing keys, then re-encrypts those that were not encrypted with the first
   * key-encryption key. Changes nothing unless all keys can be decrypted.
   *
   * @returns how many were re-encrypted
   * @throws {KeyDecryptionError} if a key cannot be decrypted
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
   * Creates a signing key for a tenant that has no active one; returns whether it did.
   *
   * @throws {SessionError} INITIAL_SIGNING_KEY_MINT_FAILED if the source of random bytes fails
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

  /** The same for the default tenant, when the process starts. */
  ensureDefault(context: CallContext): Promise<boolean> {
    return this.ensureFirst(DEFAULT_TENANT, context);
  }

  /** Creates a new active key for the tenant and retires the old one. */
  async rotate(
    command: RotateSigningKeyCommand,
    context: CallContext,
  ): Promise<RotatedSigningKeys> {
    const violations = new Violations();
    const tenantId = input.tenantId("tenant_id", command.tenantId, violations);
    const actingActorId = input.actingActorId(command.actingActorId, violations);
    violations.throwIfAny();
    return this.#store.rotate(this.#mint(tenantId), actingActorId, context);
  }

  /** @throws {SessionError} INVALID_REQUEST, with the fields that are wrong */
  async list(command: ListSigningKeysCommand, context: CallContext): Promise<SigningKeyPage> {
    const violations = new Violations();
    const tenantId = input.tenantId("tenant_id", command.tenantId, violations);
    const tokens = new PageTokens("signing_keys", tenantId);
    // A token is one of the tenant's list.
    const pageToken = violations.none ? command.pageToken : "";
    const limit = pageSize(command.pageSize, violations);
    const after = listPosition(tokens.decode(pageToken, violations), isSigningKeyId, violations);
    violations.throwIfAny();
    const page = await this.#store.list(tenantId, { after, limit }, context);
    return { ...page, nextPageToken: nextPageToken(tokens, page) };
  }

  #mint(tenantId: TenantId): NewSigningKey {
    const id = mintSigningKeyId(this.#random);
    const encrypted = this.#encryption.encrypt(this.#random(SECRET_BYTES), id, tenantId);
    return { id, tenantId, encrypted };
  }
}
