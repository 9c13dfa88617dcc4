import type { TokenKey } from "../../session/token-key.ts";
import { columnsOf, rowMapper } from "../pg/columns.ts";
import { tokenKeyEntity } from "./token-key-entity.ts";

/** Those of the key material are not read by default. */
const columns = columnsOf(tokenKeyEntity);

/** All columns but those of the key material. */
export const TOKEN_KEY_COLUMNS = columns.map(({ name }) => name).join(", ");

export const tokenKeyOf = rowMapper<TokenKey>(columns);
