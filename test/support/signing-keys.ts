import { createDecipheriv, createHmac } from "node:crypto";
import { TEST_KEY_ENCRYPTION_KEY } from "./app.ts";
import type { TestDatabase } from "./database.ts";

/**
 * What a thief of both the database and the key-encryption key could do. It follows DESIGN and
 * shares no code with the service, so that a mistake in the one is not repeated by the other.
 */

/** The secret of a signing key, decrypted from its row. */
export async function signingSecret(
  sql: TestDatabase["sql"],
  keyId: string,
  keyEncryptionKey: string = TEST_KEY_ENCRYPTION_KEY,
): Promise<Buffer> {
  const [row] = await sql<{ tenant_id: string; encrypted_key: Buffer }>(
    "SELECT tenant_id, encrypted_key FROM signing_keys WHERE id = $1",
    [keyId],
  );
  if (row === undefined) throw new Error(`no signing key ${keyId}`);
  const { tenant_id, encrypted_key: bytes } = row;
  const key = Buffer.from(keyEncryptionKey, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(JSON.stringify([keyId, tenant_id])));
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
}

/** The HMAC's input as DESIGN describes it. */
export function lengthPrefixed(sessionId: string, keyId: string): string {
  return `${sessionId.length}:${sessionId}:${keyId.length}:${keyId}`;
}

/** A cookie value with a genuine HMAC over `input`. */
export function forgeCookie(
  sessionId: string,
  keyId: string,
  secret: Buffer,
  input: string = lengthPrefixed(sessionId, keyId),
): string {
  const mac = createHmac("sha256", secret).update(input).digest("base64url");
  return `v1.${sessionId}.${keyId}.${mac}`;
}
