import type { AuditStore } from "../../session/audit-store.ts";
import { BATCHES } from "../pg/connection-permits.ts";
import type { Database } from "../pg/database.ts";
import { NOW } from "../pg/sql.ts";
import { AUDIT_COLUMNS } from "./audit-columns.ts";
import { listAuditEvents } from "./list-audit-events.ts";

const APPEND = {
  name: "append_audit_events",
  summary: "INSERT audit_events",
  text: `
    INSERT INTO audit_events (${AUDIT_COLUMNS})
    SELECT ${NOW}, 'auth', action, acting_actor_id, calling_service, tenant_id, resource_type,
      resource_id, details
    FROM jsonb_to_recordset($1::jsonb) AS entry (action text, acting_actor_id text,
      calling_service text, tenant_id text, resource_type text, resource_id text, details jsonb)`,
};

/** The audit in PostgreSQL. */
export function createAuditStore(database: Database): AuditStore {
  return {
    async append(entries, { signal }) {
      const records = entries.map((entry) => ({
        action: entry.action,
        acting_actor_id: entry.actingActorId,
        calling_service: entry.callingService,
        tenant_id: entry.tenantId,
        resource_type: entry.resourceType,
        resource_id: entry.resourceId,
        details: entry.details,
      }));
      const use = { bulkhead: "writes", clientKey: BATCHES } as const;
      await database.query(APPEND, [JSON.stringify(records)], signal, use);
    },

    list: (query, context) => listAuditEvents(database, query, context),
  };
}
