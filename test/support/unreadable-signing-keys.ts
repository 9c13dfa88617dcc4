import type { SigningKeyId, TenantId } from "../../src/session/ids.ts";
import { secureRandomBytes } from "../../src/session/ids.ts";
import { LocalKeyWrapper } from "../../src/session/local-key-wrapper.ts";
import { TEST_KEY_ENCRYPTION_KEY } from "./app.ts";
import type { TestDatabase } from "./database.ts";
import { signingSecret } from "./signing-keys.ts";

/** A key-encryption key that only some replicas have. */
export const OTHER_KEY_ENCRYPTION_KEY = Buffer.alloc(32, 8).toString("base64");

/** Re-encrypts a signing key with another key-encryption key, as a replica does that has both. */
export async function reEncrypt(
  sql: TestDatabase["sql"],
  keyId: string,
  { from = TEST_KEY_ENCRYPTION_KEY, to = OTHER_KEY_ENCRYPTION_KEY } = {},
): Promise<void> {
  const secret = await signingSecret(sql, keyId, from);
  const [row] = await sql("SELECT tenant_id FROM signing_keys WHERE id = $1", [keyId]);
  const wrapper = new LocalKeyWrapper([Buffer.from(to, "base64")], secureRandomBytes);
  const { ciphertext, keyEncryptionKeyId } = await wrapper.wrap(secret, {
    id: keyId as SigningKeyId,
    tenantId: row?.tenant_id as TenantId,
  });
  await sql(
    "UPDATE signing_keys SET encrypted_key = $2, key_encryption_key_id = $3 WHERE id = $1",
    [keyId, ciphertext, keyEncryptionKeyId],
  );
}

/** Changes one bit of the ciphertext. */
export async function corrupt(
  sql: TestDatabase["sql"],
  keyId: string,
  table: "signing_keys" | "token_keys" = "signing_keys",
): Promise<void> {
  await sql(
    `UPDATE ${table} SET encrypted_key = set_byte(encrypted_key, 20,
       get_byte(encrypted_key, 20) # 1) WHERE id = $1`,
    [keyId],
  );
}
