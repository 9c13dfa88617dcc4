import type { DatabaseFacts, DecryptionFacts } from "../../doctor-checks.ts";
import { type Finding, ok, problem, roughDuration, warning } from "./finding.ts";

const OLD_KEY_MS = 90 * 86_400_000;
/** How many keys are named. */
const MAX_NAMED = 5;

/** Whether every key can be decrypted, and the signing keys are young enough. */
export function judgeKeys({ keys, content, server }: DatabaseFacts): readonly Finding[] {
  if (keys === undefined || content === undefined) return [];
  const { signingKeys, tokenKeys, currentKeyEncryptionKeyId } = keys;
  const findings = [...judgeDecryption("signing keys", signingKeys, currentKeyEncryptionKeyId)];
  // There are none unless tokens are issued.
  if (tokenKeys.count > 0) {
    findings.push(...judgeDecryption("token keys", tokenKeys, currentKeyEncryptionKeyId));
  }
  for (const tenant of content.tenantsWithoutKey.slice(0, MAX_NAMED)) {
    findings.push(
      warning(
        `the tenant ${JSON.stringify(tenant)} has sessions, but no active signing key`,
        `sessiond rotate-key --tenant ${JSON.stringify(tenant)} makes one, as the next login does`,
      ),
    );
  }
  const age = server.clock.database - (content.oldestActiveKeyAt?.getTime() ?? Number.NaN);
  if (age > OLD_KEY_MS) {
    findings.push(
      warning(
        `the oldest active signing key is ${roughDuration(age)} old`,
        "sessiond rotate-key makes a new one; cookies of the old one stay valid for the key retention",
      ),
    );
  }
  return findings;
}

const RESTORING = {
  "signing keys": "or restore the key",
  "token keys": "or replace the key: sessiond rotate-key --token-keys --immediately",
};

function judgeDecryption(
  kind: keyof typeof RESTORING,
  { count, isCut, undecryptable, underOthers }: DecryptionFacts,
  currentKeyEncryptionKeyId: string,
): readonly Finding[] {
  const findings = undecryptable
    .slice(0, MAX_NAMED)
    .map((message) =>
      problem(
        message,
        `add its key-encryption key to SESSIOND_KEY_ENCRYPTION_KEYS, ${RESTORING[kind]}`,
      ),
    );
  if (undecryptable.length > MAX_NAMED) {
    const others = undecryptable.length - MAX_NAMED;
    findings.push(problem(`${others} more ${kind} cannot be decrypted`, "as above"));
  }
  if (undecryptable.length === 0) {
    const which = isCut ? `the first ${count} ${kind}` : `all ${count} ${kind}`;
    findings.push(ok(`${which} can be decrypted`));
  }
  if (underOthers > 0) {
    findings.push(
      warning(
        `${underOthers} of ${count} ${kind} are not under the current key-encryption key ` +
          currentKeyEncryptionKeyId,
        "run sessiond rewrap-keys before you remove another key-encryption key",
      ),
    );
  }
  return findings;
}
