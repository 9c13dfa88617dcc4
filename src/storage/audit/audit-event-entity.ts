import { EntitySchema } from "typeorm";
import type { AuditEvent } from "../../session/audit.ts";
import { bigint, instant } from "../pg/instants.ts";

export const auditEventEntity = new EntitySchema<AuditEvent>({
  name: "audit_event",
  tableName: "audit_events",
  columns: {
    id: { type: "bigint", primary: true, generated: "increment", transformer: bigint },
    occurredAt: { name: "occurred_at", type: "timestamptz", transformer: instant },
    category: { type: "text", collation: "C" },
    action: { type: "text", collation: "C" },
    actingActorId: { name: "acting_actor_id", type: "text", collation: "C" },
    callingService: { name: "calling_service", type: "text", collation: "C" },
    tenantId: { name: "tenant_id", type: "text", collation: "C" },
    resourceType: { name: "resource_type", type: "text", collation: "C" },
    resourceId: { name: "resource_id", type: "text", collation: "C" },
    details: { type: "jsonb" },
  },
});
