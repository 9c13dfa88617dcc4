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
import { KeyDecryptionError, type KeyEncryption } from "./key-encryption.ts";
import type { ListPage } from "./list-page.ts";
import { listPosition, nextPageToken, PageTokens, pageSize } from "./pages.ts";
import type { NewSigningKey, SigningKey, StoredSigningKey } from "./signing-key.ts";
import type { RotatedSigningKeys, SigningKeyStore } from "./signing-key-store.ts";
import { Violations } from "./violations.ts";

const SECRET_BYTES = 32;
/** How many keys that cannot be decrypted are returned. Further ones are only counted. */
const MAX_UNREADABLE = 1000;

export interface UnreadableSigningKey extends StoredSigningKey {
  /** Its key-encryption key is configured, but its ciphertext is not genuine. */
  readonly isCorrupt: boolean;
}

export interface KeyVerification {
  /** How many keys were re-encrypted. */
  readonly rewrapped: number;
  /** Keys that cannot be decrypted, 1000 at most. */
  readonly unreadable: readonly UnreadableSigningKey[];
  /** How many keys cannot be decrypted. */
  readonly unreadableCount: number;
}

export interface SigningKeyPage extends ListPage<SigningKey> {
  readonly nextPageToken: string;
}

/** Creates, rotates, lists, verifies and re-encrypts signing keys. */
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
   * key-encryption key. Leaves alone what cannot be decrypted. If it throws, it has changed nothing.
   *
   * @throws {KeyDecryptionError} if the active key of the default tenant, or every key, cannot be
   * decrypted
   */
  async verifyAndRewrap(context: CallContext): Promise<KeyVerification> {
    const verified = await this.#verify(context);
    let rewrapped = 0;
    for await (const { id, tenantId, encrypted } of this.#store.all(context)) {
      if (encrypted.keyEncryptionKeyId === this.#encryption.primaryKeyId) continue;
      const decrypted = this.#tryDecrypt({ id, tenantId, encrypted });
      if (decrypted instanceof KeyDecryptionError) continue;
      const renewed = this.#encryption.encrypt(decrypted, id, tenantId);
      await this.#store.rewrap(id, encrypted, renewed, context);
      rewrapped += 1;
    }
    return { ...verified, rewrapped };
  }

  async #verify(context: CallContext): Promise<Omit<KeyVerification, "rewrapped">> {
    const unreadable: UnreadableSigningKey[] = [];
    let unreadableCount = 0;
    let readableCount = 0;
    let first: KeyDecryptionError | undefined;
    for await (const key of this.#store.all(context)) {
      const decrypted = this.#tryDecrypt(key);
      if (!(decrypted instanceof KeyDecryptionError)) {
        readableCount += 1;
        continue;
      }
      if (key.tenantId === DEFAULT_TENANT && key.retiredAt === undefined) throw decrypted;
      first ??= decrypted;
      unreadableCount += 1;
      if (unreadable.length < MAX_UNREADABLE) {
        unreadable.push({ ...key, isCorrupt: decrypted.isCorrupt });
      }
    }
    if (first !== undefined && readableCount === 0) throw first;
    return { unreadable, unreadableCount };
  }

  #tryDecrypt(key: NewSigningKey): Buffer | KeyDecryptionError {
    try {
      return this.#encryption.decrypt(key.encrypted, key.id, key.tenantId);
    } catch (error) {
      if (error instanceof KeyDecryptionError) return error;
      throw error;
    }
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
