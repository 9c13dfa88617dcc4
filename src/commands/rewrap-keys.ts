import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { openEncryptedStorage } from "../open-encrypted-storage.ts";
import { secureRandomBytes } from "../session/ids.ts";
import type { Rewrapped } from "../session/key-rewrapping.ts";
import { SigningKeys } from "../session/signing-keys.ts";
import { rewrapTokenKeys } from "../session/token-keys.ts";

/** How many keys of each kind that cannot be decrypted the text names. */
const MAX_NAMED = 20;

/** A key that cannot be decrypted. */
export interface UndecryptableKey {
  readonly id: string;
  /** Of a signing key. */
  readonly tenantId?: string;
  /** The key-encryption key that it is under. */
  readonly keyEncryptionKeyId: string;
  /** That key-encryption key is configured. */
  readonly corrupt: boolean;
}

/** What became of the keys of one kind. */
export interface RewrappedKeys {
  readonly count: number;
  /** How many this run has put under the current key-encryption key. */
  readonly rewrapped: number;
  /** Another process kept changing keys, so that some may be under another key-encryption key. */
  readonly contended: boolean;
  readonly undecryptableCount: number;
  /** The first of them. */
  readonly undecryptable: readonly UndecryptableKey[];
}

/** What `rewrap-keys` has done, as it prints it with `--json`. */
export interface RewrapReport {
  /** Whether every signing key and token key is under the current key-encryption key. */
  readonly complete: boolean;
  /** The current key-encryption key. */
  readonly keyEncryptionKeyId: string;
  readonly signingKeys: RewrappedKeys;
  readonly tokenKeys: RewrappedKeys;
}

/**
 * Puts all signing keys and token keys under the current key-encryption key: `sessiond rewrap-keys`. It may
 * run while replicas serve, several times at once, and again after it was interrupted.
 *
 * @throws {KeyDecryptionError} if the configured key-encryption keys are not those of this database;
 * then nothing was changed
 * @throws the reason of the signal
 */
export async function rewrapKeys(
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<RewrapReport> {
  await using stack = new AsyncDisposableStack();
  const random = secureRandomBytes;
  const { storage, encryption } = await openEncryptedStorage(
    { config, log, random, signal },
    stack,
  );
  const context = { signal, callingService: "sessiond" };
  const keys = new SigningKeys(storage.signingKeys, encryption, random, config.tenants);
  const ofSigning = await keys.verifyAndRewrap(context);
  const ofTokens = await rewrapTokenKeys(storage.tokenKeys, encryption, context);
  const signingKeys = rewrappedKeys(
    ofSigning,
    ofSigning.unreadable.map(({ id, tenantId, encrypted, isCorrupt }) => {
      const { keyEncryptionKeyId } = encrypted;
      return { id, tenantId, keyEncryptionKeyId, corrupt: isCorrupt };
    }),
  );
  const tokenKeys = rewrappedKeys(
    ofTokens,
    ofTokens.unreadable.map(({ isCorrupt, ...key }) => ({ ...key, corrupt: isCorrupt })),
  );
  return {
    complete: [signingKeys, tokenKeys].every(
      ({ contended, undecryptableCount }) => !contended && undecryptableCount === 0,
    ),
    keyEncryptionKeyId: ofTokens.keyEncryptionKeyId,
    signingKeys,
    tokenKeys,
  };
}

function rewrappedKeys(
  {
    count,
    rewrapped,
    isComplete,
    unreadableCount,
  }: Rewrapped & { readonly count: number; readonly unreadableCount: number },
  undecryptable: readonly UndecryptableKey[],
): RewrappedKeys {
  return {
    count,
    rewrapped,
    contended: !isComplete,
    undecryptableCount: unreadableCount,
    undecryptable,
  };
}

/** The report for people, line by line. */
export function linesOfReport(report: RewrapReport): readonly string[] {
  const { complete, keyEncryptionKeyId, signingKeys, tokenKeys } = report;
  const lines = linesOf("signing keys", signingKeys);
  // Nobody needs to know of token keys where there are none.
  if (tokenKeys.count > 0) lines.push(...linesOf("token keys", tokenKeys));
  if (complete) lines.push(`all are under the key-encryption key ${keyEncryptionKeyId}`);
  return lines;
}

function linesOf(
  kind: string,
  { count, rewrapped, contended, undecryptable, undecryptableCount }: RewrappedKeys,
): string[] {
  const lines = [`re-wrapped ${rewrapped} of ${count} ${kind}`];
  if (contended) {
    lines.push(
      `another process keeps changing ${kind}: see that all replicas have the same first ` +
        "key-encryption key, and run the command again",
    );
  }
  const named = undecryptable.slice(0, MAX_NAMED);
  for (const { id, tenantId, keyEncryptionKeyId, corrupt } of named) {
    const name = tenantId === undefined ? id : `${id} of tenant ${tenantId}`;
    const why = corrupt ? "corrupt, under" : "under";
    lines.push(`cannot decrypt ${name}: ${why} ${keyEncryptionKeyId}`);
  }
  const unnamed = undecryptableCount - named.length;
  if (unnamed > 0) lines.push(`and ${unnamed} more that cannot be decrypted`);
  return lines;
}
