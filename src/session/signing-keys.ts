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
import { decryptAll, type Rewrapped, rewrapAll, type WrappedKeys } from "./key-rewrapping.ts";
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

export interface VerifiedAndRewrapped extends KeyVerification, Rewrapped {}

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
  readonly #keys: WrappedKeys<StoredSigningKey>;
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
    this.#keys = {
      all: (context) => store.all(context),
      contextOf: (key) => key,
      replace: ({ id, encrypted }, to, context) => store.rewrap(id, encrypted, to, context),
    };
    this.#encryption = encryption;
    this.#random = random;
    this.#tenants = tenants;
    this.#onMaterial = onMaterial;
  }

  /**
   * Decrypts all signing keys, then re-encrypts those that are not under the current key-encryption
   * key, as `rewrapAll` does.
   *
   * @throws {KeyDecryptionError} if the active key of the default tenant, or every key, cannot be
   * decrypted; then nothing was changed
   */
  async verifyAndRewrap(context: CallContext): Promise<VerifiedAndRewrapped> {
    const verified = await this.#verify(context);
    return { ...verified, ...(await rewrapAll(this.#keys, this.#encryption, context)) };
  }

  async #verify(context: CallContext): Promise<KeyVerification> {
    const unreadable: UnreadableSigningKey[] = [];
    let [count, unreadableCount] = [0, 0];
    let first: KeyDecryptionError | undefined;
    const visit = (key: StoredSigningKey, material: Buffer | KeyDecryptionError) => {
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
    };
    await decryptAll(this.#keys, this.#encryption, visit, context);
    if (first !== undefined && unreadableCount === count) throw first;
    return { count, unreadable, unreadableCount };
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
    const encrypted = await this.#encryption.encrypt(material, { id, tenantId }, signal);
    return { key: { id, tenantId, encrypted }, material };
  }
}
