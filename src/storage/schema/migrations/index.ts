import { CreateTables1763700000000 } from "./1763700000000-create-tables.ts";
import { DropSigningKeyReference1795240000000 } from "./1795240000000-drop-signing-key-reference.ts";
import { AddAuthentication1795250000000 } from "./1795250000000-add-authentication.ts";
import { AddMetadataEtag1795250000001 } from "./1795250000001-add-metadata-etag.ts";
import { AddSessionRotation1795250000002 } from "./1795250000002-add-session-rotation.ts";
import { ExpandTokenKeys1795260000000 } from "./1795260000000-expand-token-keys.ts";

/** All migrations, in the order in which they are applied. A released migration is never edited. */
export const migrations = [
  CreateTables1763700000000,
  DropSigningKeyReference1795240000000,
  AddAuthentication1795250000000,
  AddMetadataEtag1795250000001,
  AddSessionRotation1795250000002,
  ExpandTokenKeys1795260000000,
] as const;
