import type { Logger } from "pino";
import type { CallContext } from "./session/call-context.ts";
import type { KeyVerification, SigningKeys } from "./session/signing-keys.ts";
import { reportUnreadableKeys } from "./unreadable-key-log.ts";

/**
 * Verifies all signing keys, puts them under the current key-encryption key and makes the first one. It
 * logs what it has changed, and which keys it cannot decrypt.
 *
 * @throws {KeyDecryptionError} if the active key of the default tenant, or every key, cannot be decrypted
 */
export async function prepareSigningKeys(
  signingKeys: SigningKeys,
  log: Logger,
  context: CallContext,
): Promise<KeyVerification> {
  const verified = await signingKeys.verifyAndRewrap(context);
  const { rewrapped } = verified;
  if (rewrapped > 0) log.info({ rewrapped }, "signing keys put under the first key-encryption key");
  reportUnreadableKeys(log, verified);
  if (await signingKeys.ensureDefault(context)) log.info("first signing key made");
  return verified;
}
