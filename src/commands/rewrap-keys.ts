import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { openEncryptedStorage } from "../open-encrypted-storage.ts";
import { secureRandomBytes } from "../session/ids.ts";
import { SigningKeys } from "../session/signing-keys.ts";

/** How many keys that cannot be decrypted the report names. */
const MAX_NAMED = 20;

export interface RewrapReport {
  /** For whoever has run the command; it ends with a newline. */
  readonly text: string;
  /** Whether every signing key is under the current key-encryption key. */
  readonly isComplete: boolean;
}

/**
 * Puts all signing keys under the current key-encryption key: `sessiond rewrap-keys`. It may run while
 * replicas serve, several times at once, and again after it was interrupted.
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
  const signingKeys = new SigningKeys(storage.signingKeys, encryption, random, config.tenants);
  const result = await signingKeys.verifyAndRewrap({ signal, callingService: "sessiond" });
  const { count, rewrapped, unreadable, unreadableCount, keyEncryptionKeyId } = result;

  const lines = [`re-wrapped ${rewrapped} of ${count} signing keys`];
  if (!result.isComplete) {
    lines.push(
      "another process keeps changing signing keys: see that all replicas have the same first " +
        "key-encryption key, and run the command again",
    );
  }
  for (const key of unreadable.slice(0, MAX_NAMED)) {
    const why = key.isCorrupt ? "corrupt, under" : "under";
    lines.push(
      `cannot decrypt ${key.id} of tenant ${key.tenantId}: ${why} ${key.encrypted.keyEncryptionKeyId}`,
    );
  }
  const unnamed = unreadableCount - Math.min(unreadable.length, MAX_NAMED);
  if (unnamed > 0) lines.push(`and ${unnamed} more that cannot be decrypted`);
  const isComplete = result.isComplete && unreadableCount === 0;
  if (isComplete) lines.push(`all are under the key-encryption key ${keyEncryptionKeyId}`);
  return { text: lines.map((line) => `${line}\n`).join(""), isComplete };
}
