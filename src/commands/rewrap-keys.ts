import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { openEncryptedStorage } from "../open-encrypted-storage.ts";
import { secureRandomBytes } from "../session/ids.ts";
import type { Rewrapped } from "../session/key-rewrapping.ts";
import { SigningKeys } from "../session/signing-keys.ts";
import { rewrapTokenKeys } from "../session/token-keys.ts";

/** How many keys of each kind that cannot be decrypted the report names. */
const MAX_NAMED = 20;

export interface RewrapReport {
  /** For whoever has run the command; it ends with a newline. */
  readonly text: string;
  /** Whether every signing key and token key is under the current key-encryption key. */
  readonly isComplete: boolean;
}

/** A key that cannot be decrypted, as the report names it. */
interface UnreadableKey {
  readonly name: string;
  readonly keyEncryptionKeyId: string;
  readonly isCorrupt: boolean;
}

interface RewrappedKind extends Rewrapped {
  readonly kind: string;
  readonly count: number;
  readonly unreadable: readonly UnreadableKey[];
  readonly unreadableCount: number;
}

/**
 * Puts all signing keys and token keys under the current key-encryption key: `sessiond rewrap-keys`. It may
 * run while replicas serve, several times at once, and again after it was interrupted.
 *
 * @throws {KeyDecryptionError} if the configured key-encryption keys are not those of this database;
 * then nothing was changed
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
  const signingKeys = new SigningKeys(storage.signingKeys, encryption, random, config.tenants);
  const ofSigning = await signingKeys.verifyAndRewrap(context);
  const ofTokens = await rewrapTokenKeys(storage.tokenKeys, encryption, context);
  const signing = {
    ...ofSigning,
    kind: "signing keys",
    unreadable: ofSigning.unreadable.map(({ id, tenantId, encrypted, isCorrupt }) => ({
      name: `${id} of tenant ${tenantId}`,
      keyEncryptionKeyId: encrypted.keyEncryptionKeyId,
      isCorrupt,
    })),
  };
  const tokens = {
    ...ofTokens,
    kind: "token keys",
    unreadable: ofTokens.unreadable.map(({ id, ...key }) => ({ name: id, ...key })),
  };
  // Nobody needs to know of token keys where there are none.
  const kinds: readonly RewrappedKind[] = tokens.count > 0 ? [signing, tokens] : [signing];

  const lines = kinds.flatMap(linesOf);
  const isComplete = kinds.every((kind) => kind.isComplete && kind.unreadableCount === 0);
  const last = kinds.at(-1) as RewrappedKind;
  if (isComplete) lines.push(`all are under the key-encryption key ${last.keyEncryptionKeyId}`);
  return { text: lines.map((line) => `${line}\n`).join(""), isComplete };
}

function linesOf({
  kind,
  count,
  rewrapped,
  isComplete,
  unreadable,
  unreadableCount,
}: RewrappedKind): string[] {
  const lines = [`re-wrapped ${rewrapped} of ${count} ${kind}`];
  if (!isComplete) {
    lines.push(
      `another process keeps changing ${kind}: see that all replicas have the same first ` +
        "key-encryption key, and run the command again",
    );
  }
  for (const { name, keyEncryptionKeyId, isCorrupt } of unreadable.slice(0, MAX_NAMED)) {
    const why = isCorrupt ? "corrupt, under" : "under";
    lines.push(`cannot decrypt ${name}: ${why} ${keyEncryptionKeyId}`);
  }
  const unnamed = unreadableCount - Math.min(unreadable.length, MAX_NAMED);
  if (unnamed > 0) lines.push(`and ${unnamed} more that cannot be decrypted`);
  return lines;
}
