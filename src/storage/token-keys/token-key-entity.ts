import { EntitySchema } from "typeorm";
import type { TokenKey } from "../../session/token-key.ts";
import { instant } from "../pg/instants.ts";

export interface TokenKeyRecord extends TokenKey {
  readonly encryptedKey: Buffer;
  readonly keyEncryptionKeyId: string;
}

export const tokenKeyEntity = new EntitySchema<TokenKeyRecord>({
  name: "token_key",
  tableName: "token_keys",
  columns: {
    id: { type: "text", primary: true, collation: "C" },
    algorithm: { type: "text", collation: "C" },
    // Not selected by default: lists do not need it.
    encryptedKey: { name: "encrypted_key", type: "bytea", select: false },
    keyEncryptionKeyId: {
      name: "key_encryption_key_id",
      type: "text",
      collation: "C",
      select: false,
    },
    createdAt: { name: "created_at", type: "timestamptz", transformer: instant },
    signsFrom: { name: "signs_from", type: "timestamptz", transformer: instant },
    publishedUntil: {
      name: "published_until",
      type: "timestamptz",
      nullable: true,
      transformer: instant,
    },
  },
});
