import type { TestDatabase } from "./database.ts";

export interface AuditRow {
  readonly category: string;
  readonly action: string;
  readonly acting_actor_id: string;
  readonly calling_service: string;
  readonly tenant_id: string;
  readonly resource_type: string;
  readonly resource_id: string;
  readonly details: Readonly<Record<string, string>>;
}

const COLUMNS = `category, action, acting_actor_id, calling_service, tenant_id, resource_type,
  resource_id, details`;

/** The audit of one resource, oldest first. */
export function auditOf(sql: TestDatabase["sql"], resourceId: string): Promise<AuditRow[]> {
  return sql(`SELECT ${COLUMNS} FROM audit_events WHERE resource_id = $1 ORDER BY id`, [
    resourceId,
  ]);
}

/** What `work` adds to the audit of the whole database, oldest first. */
export async function auditedBy(
  sql: TestDatabase["sql"],
  work: () => Promise<unknown>,
): Promise<AuditRow[]> {
  const [last] = await sql("SELECT coalesce(max(id), 0) AS id FROM audit_events");
  await work();
  return sql(`SELECT ${COLUMNS} FROM audit_events WHERE id > $1 ORDER BY id`, [last?.id]);
}
