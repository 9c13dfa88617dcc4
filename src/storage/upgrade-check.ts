import type { QueryRunner } from "typeorm";
import { DEFAULT_TENANT, type SigningKeyId, type TenantId } from "../session/ids.ts";
import { UpgradeRefused } from "./schema/migrate.ts";

/** A signing key, and which key-encryption key it is under. */
export interface SigningKeyEncryption {
  readonly id: SigningKeyId;
  readonly tenantId: TenantId;
  readonly keyEncryptionKeyId: string;
}

/**
 * Calls `check` with the active signing key of the default tenant, if there is one. It works on the
 * schema of every version: all of its columns are those of the first one.
 *
 * @throws {UpgradeRefused} if `check` throws
 */
export async function checkActiveKey(
  runner: QueryRunner,
  check: (key: SigningKeyEncryption) => void,
): Promise<void> {
  const [active]: SigningKeyEncryption[] = await runner.query(
    `SELECT id, tenant_id AS "tenantId", key_encryption_key_id AS "keyEncryptionKeyId"
     FROM signing_keys WHERE tenant_id = $1 AND retired_at IS NULL`,
    [DEFAULT_TENANT],
  );
  if (active === undefined) return;
  try {
    check(active);
  } catch (error) {
    throw new UpgradeRefused(error);
  }
}
