import { createHmac, randomBytes } from "node:crypto";
import { signCookie } from "../src/session/cookie.ts";
import {
  DEFAULT_TENANT,
  mintSigningKeyId,
  type SessionId,
  secureRandomBytes,
} from "../src/session/ids.ts";
import { LocalKeyWrapper } from "../src/session/local-key-wrapper.ts";
import { MacKey } from "../src/session/mac-key.ts";
import type { Sql } from "./database.ts";

const SECRET_BYTES = 32;

/** The keys for genuine cookies of seeded sessions, which no call has created. */
export interface Credentials {
  /** The value of SESSIOND_KEY_ENCRYPTION_KEYS. */
  readonly keyEncryptionKeys: string;
  readonly signingKeyId: string;
  cookieOf(id: SessionId): string;
}

/** Creates the default tenant's signing key in the same way as sessiond, before sessiond starts. */
export async function createCredentials(sql: Sql): Promise<Credentials> {
  const keyEncryptionKey = randomBytes(SECRET_BYTES);
  const wrapper = new LocalKeyWrapper([keyEncryptionKey], secureRandomBytes);
  const id = mintSigningKeyId(secureRandomBytes);
  const secret = randomBytes(SECRET_BYTES);
  const encrypted = await wrapper.wrap(secret, { id, tenantId: DEFAULT_TENANT });
  await sql(
    `INSERT INTO signing_keys (id, tenant_id, encrypted_key, key_encryption_key_id, created_at)
     VALUES ($1, $2, $3, $4, now())`,
    [id, DEFAULT_TENANT, encrypted.ciphertext, encrypted.keyEncryptionKeyId],
  );
  const key = new MacKey(secret);
  return {
    keyEncryptionKeys: keyEncryptionKey.toString("base64"),
    signingKeyId: id,
    cookieOf: (sessionId) => signCookie(sessionId, id, key),
  };
}

/**
 * The CSRF token of a seeded session. It is the end of the session id, so that it need not be stored.
 * As for a random token, the row has its SHA-256.
 */
export function csrfTokenOf(id: SessionId): string {
  return id.slice(-CSRF_TOKEN_CHARACTERS);
}

/** The length of 32 bytes in base64url. */
export const CSRF_TOKEN_CHARACTERS = 43;

export const EXPRESS_SECRET = "the secret of express-session in the benchmark";

/** The Cookie header for express-session, which also signs ids with HMAC-SHA256. */
export function expressCookie(sid: string): string {
  const mac = createHmac("sha256", EXPRESS_SECRET).update(sid).digest("base64").replace(/=+$/, "");
  return `connect.sid=${encodeURIComponent(`s:${sid}.${mac}`)}`;
}
