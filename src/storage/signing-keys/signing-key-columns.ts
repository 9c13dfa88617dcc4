import type { SigningKey } from "../../session/signing-key.ts";
import { columnsOf, rowMapper } from "../pg/columns.ts";
import { signingKeyEntity } from "./signing-key-entity.ts";

const secret = ["encryptedKey", "keyEncryptionKeyId"];
const columns = columnsOf(signingKeyEntity).filter(({ property }) => !secret.includes(property));

/** All columns but those of the key material. */
export const SIGNING_KEY_COLUMNS = columns.map(({ name }) => name).join(", ");

export const signingKeyOf = rowMapper<SigningKey>(columns);
