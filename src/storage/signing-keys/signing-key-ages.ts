import { DEFAULT_TENANT } from "../../session/ids.ts";
import type { Database } from "../pg/database.ts";

/** How many signing keys there are, and how old the active ones. */
export interface SigningKeyAges {
  readonly active: number;
  readonly retired: number;
  /** Of all tenants. Undefined without an active key. */
  readonly oldestActiveSeconds: number | undefined;
  readonly defaultTenantSeconds: number | undefined;
}

const READ_AGES = {
  summary: "SELECT signing_keys",
  text: `
    SELECT count(*) FILTER (WHERE retired_at IS NULL)::float8 AS active,
      count(*) FILTER (WHERE retired_at IS NOT NULL)::float8 AS retired,
      extract(epoch FROM statement_timestamp()
        - min(created_at) FILTER (WHERE retired_at IS NULL))::float8 AS oldest,
      extract(epoch FROM statement_timestamp()
        - min(created_at) FILTER (WHERE retired_at IS NULL AND tenant_id = $1))::float8 AS own
    FROM signing_keys`,
};

/** Reads all keys of all tenants, so it is for once a minute. */
export async function readSigningKeyAges(
  database: Database,
  signal: AbortSignal,
): Promise<SigningKeyAges> {
  const [row] = await database.query(READ_AGES, [DEFAULT_TENANT], signal, {
    bulkhead: "management",
  });
  const { active, retired, oldest, own } = row as Record<string, number | null>;
  return {
    active: active ?? 0,
    retired: retired ?? 0,
    oldestActiveSeconds: oldest ?? undefined,
    defaultTenantSeconds: own ?? undefined,
  };
}
