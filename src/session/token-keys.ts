import type { CallContext } from "./call-context.ts";
import type { ListTokenKeysCommand, RotateTokenKeyCommand } from "./commands.ts";
import { SessionError } from "./errors.ts";
import { isTokenKeyId, mintTokenKeyId, type RandomBytes, type TokenKeyId } from "./ids.ts";
import * as input from "./input.ts";
import { KeyDecryptionError, type KeyEncryption } from "./key-encryption.ts";
import { decryptAll, type Rewrapped, rewrapAll, type WrappedKeys } from "./key-rewrapping.ts";
import type { ListPage } from "./list-page.ts";
import { listPosition, nextPageToken, PageTokens, pageSize } from "./pages.ts";
import type { TenantPolicy, TokenKeyPolicy } from "./policy.ts";
import { assertAllTenants, tenantAccess } from "./tenant-access.ts";
import {
  KEEP_PUBLISHED_MS,
  type NewTokenKey,
  type StoredTokenKey,
  type TokenKey,
  tokenKeyContext,
} from "./token-key.ts";
import type { RotatedTokenKeys, TokenKeyStore } from "./token-key-store.ts";
import type { TokenSigner } from "./token-signer.ts";
import { Violations } from "./violations.ts";

/** How many keys that cannot be decrypted are returned. Further ones are only counted. */
const MAX_UNREADABLE = 1000;

export interface UnreadableTokenKey {
  readonly id: TokenKeyId;
  readonly keyEncryptionKeyId: string;
  /** Its key-encryption key is configured, but its ciphertext is not genuine. */
  readonly isCorrupt: boolean;
}

export interface VerifiedTokenKeys extends Rewrapped {
  /** How many keys there are. */
  readonly count: number;
  /** Keys that cannot be decrypted, 1000 at most. */
  readonly unreadable: readonly UnreadableTokenKey[];
  /** How many keys cannot be decrypted. */
  readonly unreadableCount: number;
}

export interface TokenKeyPage extends ListPage<TokenKey> {
  readonly nextPageToken: string;
}

export interface TokenKeysDependencies {
  readonly store: TokenKeyStore;
  readonly encryption: KeyEncryption;
  readonly signer: TokenSigner;
  readonly random: RandomBytes;
  /** Undefined: no tokens are issued. Then no keys are made. */
  readonly policy: TokenKeyPolicy | undefined;
  readonly tenants: TenantPolicy;
  /** Called after each rotation, which waits for it. */
  readonly onRotated?: ((context: CallContext) => Promise<void>) | undefined;
}

/** Creates, rotates and lists token keys. They are of no tenant. */
export class TokenKeys {
  readonly #deps: TokenKeysDependencies;

  constructor(dependencies: TokenKeysDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Creates a key that signs at once if tokens are issued and there is no key without an end; returns
   * whether it did.
   *
   * @throws {SessionError} STORAGE_UNAVAILABLE if the database or a key management service does not answer
   */
  async ensureFirst(context: CallContext): Promise<boolean> {
    const { policy, store } = this.#deps;
    return policy !== undefined && store.insertFirst(await this.#mint(policy, context), context);
  }

  /**
   * Creates a new key that replaces the one without an end.
   *
   * @throws {SessionError} CALLER_FORBIDDEN, unless the caller may act on all tenants; INVALID_REQUEST, with
   * the fields that are wrong, or if no tokens are issued
   */
  async rotate(command: RotateTokenKeyCommand, context: CallContext): Promise<RotatedTokenKeys> {
    const { store, policy, onRotated } = this.#deps;
    const violations = this.#violations(context);
    const actingActorId = input.actingActorId(command.actingActorId, violations);
    violations.throwIfAny();
    assertAllTenants(context);
    if (policy === undefined) {
      throw new SessionError("INVALID_REQUEST", { message: input.TOKENS_ARE_OFF });
    }
    const { immediately } = command;
    const { publishDelayMs } = policy;
    const rotation = { immediately, publishDelayMs, keepMs: KEEP_PUBLISHED_MS, actingActorId };
    const rotated = await store.rotate(await this.#mint(policy, context), rotation, context);
    await onRotated?.(context);
    return rotated;
  }

  /**
   * @throws {SessionError} CALLER_FORBIDDEN, unless the caller may act on all tenants; INVALID_REQUEST, with
   * the fields that are wrong
   */
  async list(command: ListTokenKeysCommand, context: CallContext): Promise<TokenKeyPage> {
    const violations = this.#violations(context);
    const tokens = new PageTokens("token_keys");
    const limit = pageSize(command.pageSize, violations);
    const position = tokens.decode(command.pageToken, violations);
    const after = listPosition(position, isTokenKeyId, violations);
    violations.throwIfAny();
    assertAllTenants(context);
    const page = await this.#deps.store.list({ after, limit }, context);
    return { ...page, nextPageToken: nextPageToken(tokens, page) };
  }

  #violations(context: CallContext): Violations {
    return new Violations(tenantAccess(context, this.#deps.tenants));
  }

  async #mint({ algorithm }: TokenKeyPolicy, { signal }: CallContext): Promise<NewTokenKey> {
    const { encryption, signer, random } = this.#deps;
    const id = mintTokenKeyId(random);
    const material = await signer.generate(algorithm);
    const encrypted = await encryption.encrypt(material, tokenKeyContext({ id }), signal);
    return { id, algorithm, encrypted };
  }
}

/**
 * Decrypts all token keys, then re-encrypts those that are not under the current key-encryption key, as
 * `rewrapAll` does. A key that cannot be decrypted is no reason to fail: a rotation replaces it.
 */
export async function rewrapTokenKeys(
  store: TokenKeyStore,
  encryption: KeyEncryption,
  context: CallContext,
): Promise<VerifiedTokenKeys> {
  const keys: WrappedKeys<StoredTokenKey> = {
    all: (context) => store.all(context),
    contextOf: tokenKeyContext,
    replace: ({ id, encrypted }, to, context) => store.rewrap(id, encrypted, to, context),
  };
  const unreadable: UnreadableTokenKey[] = [];
  let [count, unreadableCount] = [0, 0];
  const visit = ({ id, encrypted }: StoredTokenKey, material: Buffer | KeyDecryptionError) => {
    count += 1;
    if (!(material instanceof KeyDecryptionError)) return;
    unreadableCount += 1;
    const { isCorrupt } = material;
    const { keyEncryptionKeyId } = encrypted;
    if (unreadable.length < MAX_UNREADABLE) unreadable.push({ id, keyEncryptionKeyId, isCorrupt });
  };
  await decryptAll(keys, encryption, visit, context);
  const rewrapped = await rewrapAll(keys, encryption, context);
  return { count, unreadable, unreadableCount, ...rewrapped };
}
