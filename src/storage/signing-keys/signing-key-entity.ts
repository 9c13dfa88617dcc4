import { EntitySchema } from "typeorm";
import type { SigningKey } from "../../session/signing-key.ts";
import { instant } from "../pg/instants.ts";

export interface SigningKeyRecord extends SigningKey {
  readonly encryptedKey: Buffer;
  readonly keyEncryptionKeyId: string;
}

export const signingKeyEntity = new EntitySchema<SigningKeyRecord>({
  name: "signing_key",
  tableName: "signing_keys",
  columns: {
    id: { type: "text", primary: true, collation: "C" },
    tenantId: { name: "tenant_id", type: "text", collation: "C" },
    // Not selected by default: lists do not need it.
    encryptedKey: { name: "encrypted_key", type: "bytea", select: false },
    keyEncryptionKeyId: {
      name: "key_encryption_key_id",
      type: "text",
      collation: "C",
      select: false,
    },
    createdAt: { name: "created_at", type: "timestamptz", transformer: instant },
    retiredAt: { name: "retired_at", type: "timestamptz", nullable: true, transformer: instant },
  },
});
