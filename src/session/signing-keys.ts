import type { CallContext } from "./call-context.ts";
import type { ListSigningKeysCommand, RotateSigningKeyCommand } from "./commands.ts";
import { forEachConcurrently } from "./concurrently.ts";
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
import type { TenantPolicy } from "./policy.ts";
import type { KeyFacts, NewSigningKey, SigningKey, StoredSigningKey } from "./signing-key.ts";
import type { RotatedSigningKeys, SigningKeyStore } from "./signing-key-store.ts";
import { tenantAccess } from "./tenant-access.ts";
import { Violations } from "./violations.ts";

const SECRET_BYTES = 32;
/** How many keys that cannot be decrypted are returned. Further ones are only counted. */
const MAX_UNREADABLE = 1000;
/** How many keys are decrypted at once. It matters with a key management service. */
const VERIFY_CONCURRENCY = 16;
/** How many keys are re-encrypted at once. It leaves connections of the pool for calls. */
const REWRAP_CONCURRENCY = 4;
/** Two are usual: one that re-encrypts, and one that finds nothing to do. */
const MAX_REWRAP_PASSES = 10;

export interface UnreadableSigningKey extends StoredSigningKey {
  /** Its key-encryption key is configured, but its ciphertext is not genuine. */
  readonly isCorrupt: boolean;
}

export interface KeyVerification {
  /** How many keys there are. */
  readonly count: number;
  /** Keys that cannot be decrypted, 1000 at most. */
  readonly unreadable: readonly UnreadableSigningKey[];
  /** How many keys cannot be decrypted. */
  readonly unreadableCount: number;
}

export interface VerifiedAndRewrapped extends KeyVerification {
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

type OnMaterial = (key: KeyFacts, material: Buffer) => void;

/** A new signing key with the material that is encrypted in it. */
interface MintedKey {
  readonly key: NewSigningKey;
  readonly material: Buffer;
}

export interface SigningKeyPage extends ListPage<SigningKey> {
  readonly nextPageToken: string;
}

/** Creates, rotates, lists, verifies and re-encrypts signing keys. */
export class SigningKeys {
  readonly #store: SigningKeyStore;
  readonly #encryption: KeyEncryption;
  readonly #random: RandomBytes;
  readonly #tenants: TenantPolicy;
  readonly #onMaterial: OnMaterial;

  /** @param onMaterial gets the material of keys that were verified, or made and stored */
  constructor(
    store: SigningKeyStore,
    encryption: KeyEncryption,
    random: RandomBytes,
    tenants: TenantPolicy,
    onMaterial: OnMaterial = () => {},
  ) {
    this.#store = store;
    this.#encryption = encryption;
    this.#random = random;
    this.#tenants = tenants;
    this.#onMaterial = onMaterial;
  }

  /**
   * Decrypts all signing keys, then re-encrypts those that are not under the current key-encryption
   * key. Leaves alone what cannot be decrypted. Any number of processes may do so at once, beside
   * rotations. If it is interrupted, each key is under its old key-encryption key or under the current
   * one, and another run completes it.
   *
   * @throws {KeyDecryptionError} if the active key of the default tenant, or every key, cannot be
   * decrypted; then nothing was changed
   */
  async verifyAndRewrap(context: CallContext): Promise<VerifiedAndRewrapped> {
    const verified = await this.#verify(context);
    let [passes, rewrapped] = [0, 0];
    let keyEncryptionKeyId: string;
    let isComplete: boolean;
    do {
      keyEncryptionKeyId = await this.#encryption.currentKeyId(context.signal);
      const found = await this.#rewrap(keyEncryptionKeyId, context);
      passes += 1;
      rewrapped += found.rewrapped;
      // Keys that another replica has made or re-encrypted meanwhile are found by the next pass.
      isComplete = found.attempted === 0;
    } while (!isComplete && passes < MAX_REWRAP_PASSES);
    return { ...verified, rewrapped, keyEncryptionKeyId, isComplete };
  }

  /** Goes once through all keys that are not under this key-encryption key. */
  async #rewrap(
    keyEncryptionKeyId: string,
    context: CallContext,
  ): Promise<{ readonly attempted: number; readonly rewrapped: number }> {
    let [attempted, rewrapped] = [0, 0];
    const keys = this.#store.all(context);
    await forEachConcurrently(keys, REWRAP_CONCURRENCY, async (key) => {
      const { id, tenantId, encrypted } = key;
      if (encrypted.keyEncryptionKeyId === keyEncryptionKeyId) return;
      const material = await this.#tryDecrypt(key, context);
      if (material instanceof KeyDecryptionError) return;
      attempted += 1;
      const renewed = await this.#encryption.encrypt(material, id, tenantId, context.signal);
      if (await this.#store.rewrap(id, encrypted, renewed, context)) rewrapped += 1;
    });
    return { attempted, rewrapped };
  }

  async #verify(context: CallContext): Promise<KeyVerification> {
    const unreadable: UnreadableSigningKey[] = [];
    let [count, unreadableCount] = [0, 0];
    let first: KeyDecryptionError | undefined;
    const keys = this.#store.all(context);
    await forEachConcurrently(keys, VERIFY_CONCURRENCY, async (key) => {
      const material = await this.#tryDecrypt(key, context);
      count += 1;
      if (!(material instanceof KeyDecryptionError)) {
        this.#onMaterial(key, material);
        return;
      }
      if (key.tenantId === DEFAULT_TENANT && key.retiredAt === undefined) throw material;
      first ??= material;
      unreadableCount += 1;
      if (unreadable.length < MAX_UNREADABLE) {
        unreadable.push({ ...key, isCorrupt: material.isCorrupt });
      }
    });
    if (first !== undefined && unreadableCount === count) throw first;
    return { count, unreadable, unreadableCount };
  }

  async #tryDecrypt(
    { id, tenantId, encrypted }: NewSigningKey,
    { signal }: CallContext,
  ): Promise<Buffer | KeyDecryptionError> {
    try {
      return await this.#encryption.decrypt(encrypted, id, tenantId, signal);
    } catch (error) {
      if (error instanceof KeyDecryptionError) return error;
      throw error;
    }
  }

  /**
   * Creates a signing key for a tenant that has no active one; returns whether it did.
   *
   * @throws {SessionError} INITIAL_SIGNING_KEY_MINT_FAILED if the source of random bytes fails;
   * STORAGE_UNAVAILABLE if a key management service does not answer
   */
  async ensureFirst(tenantId: TenantId, context: CallContext): Promise<boolean> {
    let minted: MintedKey;
    try {
      minted = await this.#mint(tenantId, context);
    } catch (cause) {
      context.signal?.throwIfAborted();
      if (cause instanceof SessionError) throw cause;
      throw new SessionError("INITIAL_SIGNING_KEY_MINT_FAILED", { cause });
    }
    const { key, material } = minted;
    const isStored = await this.#store.insertFirst(key, context);
    if (isStored) this.#onMaterial({ ...key, retiredAt: undefined }, material);
    return isStored;
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
    const violations = new Violations(tenantAccess(context, this.#tenants));
    const tenantId = input.tenantId("tenant_id", command.tenantId, violations);
    const actingActorId = input.actingActorId(command.actingActorId, violations);
    violations.throwIfAny();
    const { key, material } = await this.#mint(tenantId, context);
    const rotated = await this.#store.rotate(key, actingActorId, context);
    this.#onMaterial(rotated.active, material);
    return rotated;
  }

  /** @throws {SessionError} INVALID_REQUEST, with the fields that are wrong */
  async list(command: ListSigningKeysCommand, context: CallContext): Promise<SigningKeyPage> {
    const violations = new Violations(tenantAccess(context, this.#tenants));
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

  async #mint(tenantId: TenantId, { signal }: CallContext): Promise<MintedKey> {
    const id = mintSigningKeyId(this.#random);
    const material = this.#random(SECRET_BYTES);
    const encrypted = await this.#encryption.encrypt(material, id, tenantId, signal);
    return { key: { id, tenantId, encrypted }, material };
  }
}
