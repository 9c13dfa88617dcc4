import { createAuditStore } from "../../../src/storage/audit/pg-audit-store.ts";
import { createSessionStore } from "../../../src/storage/sessions/pg-session-store.ts";
import { createSigningKeyStore } from "../../../src/storage/signing-keys/pg-signing-key-store.ts";
import { createSweepStore } from "../../../src/storage/sweep/pg-sweep-store.ts";
import { createTokenKeyStore } from "../../../src/storage/token-keys/pg-token-key-store.ts";
import { createTestDatabase } from "../../support/database.ts";
import { openTestStorage } from "../../support/storage.ts";
import { auditStore } from "./audit-store.ts";
import { callContext } from "./call-context.ts";
import { sessionStoreChanges } from "./session-store-changes.ts";
import { sessionStoreCreates } from "./session-store-create.ts";
import { signingKeyStore } from "./signing-key-store.ts";
import type { Stores } from "./stores.ts";
import { sweepStore } from "./sweep-store.ts";
import { tokenKeyStore } from "./token-key-store.ts";

const BACK = "- $2 * interval '1 millisecond'";

async function openStores(preparedStatements: boolean): Promise<Stores> {
  const test = await createTestDatabase();
  const { database, close } = await openTestStorage(test.url, { preparedStatements });
  return {
    sessions: createSessionStore(database),
    signingKeys: createSigningKeyStore(database),
    tokenKeys: createTokenKeyStore(database),
    audit: createAuditStore(database),
    sweep: createSweepStore(database),
    async now() {
      const [row] = await test.sql<{ now: Date }>("SELECT clock_timestamp() AS now");
      return row?.now.getTime() ?? 0;
    },
    async ageSession(id, ms) {
      await test.sql(
        `UPDATE sessions SET created_at = created_at ${BACK}, last_seen_at = last_seen_at ${BACK},
           absolute_expires_at = absolute_expires_at ${BACK}, revoked_at = revoked_at ${BACK}
         WHERE id = $1`,
        [id, ms],
      );
    },
    async ageSigningKeys(tenantId, ms) {
      await test.sql(
        `UPDATE signing_keys SET created_at = created_at ${BACK}, retired_at = retired_at ${BACK}
         WHERE tenant_id = $1`,
        [tenantId, ms],
      );
    },
    async ageTokenKeys(ms) {
      const back = "- $1 * interval '1 millisecond'";
      await test.sql(
        `UPDATE token_keys SET created_at = created_at ${back}, signs_from = signs_from ${back},
           published_until = published_until ${back}`,
        [ms],
      );
    },
    async deleteTokenKeys() {
      await test.sql("DELETE FROM token_keys");
    },
    async ageAudit(ms) {
      await test.sql(
        "UPDATE audit_events SET occurred_at = occurred_at - $1 * interval '1 millisecond'",
        [ms],
      );
    },
    async close() {
      await close();
      await test.drop();
    },
  };
}

for (const preparedStatements of [true, false]) {
  describe(`PostgreSQL, prepared statements ${preparedStatements ? "on" : "off"}`, () => {
    let stores: Stores;

    before(async () => {
      stores = await openStores(preparedStatements);
    });
    after(() => stores?.close());

    const given = () => stores;
    sessionStoreCreates(given);
    sessionStoreChanges(given);
    signingKeyStore(given);
    tokenKeyStore(given);
    auditStore(given);
    sweepStore(given);
    callContext(given);
  });
}
