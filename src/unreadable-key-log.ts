import type { Logger } from "pino";
import { throttledReport } from "./log/throttled-report.ts";
import type { KeyVerification } from "./session/signing-keys.ts";
import { UnreadableKeys } from "./session/unreadable-keys.ts";

/** How many keys a line of the log names. */
const MAX_LOGGED_KEYS = 20;
const REFUSAL_REPORT_INTERVAL_MS = 60_000;

const KEY_ADVICE =
  "add the key-encryption key that encrypted them to SESSIOND_KEY_ENCRYPTION_KEYS and restart, or " +
  "restore corrupt ones from a backup; if neither is possible, RotateSigningKey gives a tenant whose " +
  "active key is affected a new one";

/** Counts and logs the calls that are refused because a signing key cannot be decrypted. */
export function watchUnreadableKeys(log: Logger, stack: AsyncDisposableStack): UnreadableKeys {
  const report = throttledReport(REFUSAL_REPORT_INTERVAL_MS, () => {
    const refusals = [...keys.takeRefusals()].sort(([, one], [, other]) => other - one);
    const count = refusals.reduce((sum, [, refused]) => sum + refused, 0);
    const byKey = Object.fromEntries(refusals.slice(0, MAX_LOGGED_KEYS));
    const context = { count, keyCount: refusals.length, byKey, total: keys.total };
    log.warn(context, `calls refused: signing keys cannot be decrypted; ${KEY_ADVICE}`);
  });
  stack.defer(() => report.stop());
  const keys = new UnreadableKeys(() => performance.now(), report.notify);
  return keys;
}

/** Logs the keys that the start could not decrypt. */
export function reportUnreadableKeys(
  log: Logger,
  { unreadable, unreadableCount }: KeyVerification,
): void {
  if (unreadableCount === 0) return;
  const logged = unreadable.slice(0, MAX_LOGGED_KEYS).map((key) => ({
    id: key.id,
    tenant: key.tenantId,
    active: key.retiredAt === undefined,
    corrupt: key.isCorrupt,
    keyEncryptionKey: key.encrypted.keyEncryptionKeyId,
  }));
  const message =
    "signing keys cannot be decrypted, and their cookies are answered with STORAGE_UNAVAILABLE; ";
  log.warn({ count: unreadableCount, keys: logged }, message + KEY_ADVICE);
}
