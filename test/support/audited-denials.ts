import type { TestApp } from "./app.ts";
import { type AuditRow, auditOf } from "./audit-rows.ts";

/** The audit of a session's denials, oldest first, once it has been written. */
export async function denialsOf(
  { app, sql }: Pick<TestApp, "app" | "sql">,
  sessionId: string,
): Promise<AuditRow[]> {
  await app.storage.denialAudit.flush();
  const rows = await auditOf(sql, sessionId);
  return rows.filter(({ action }) => /_(refused|mismatch)$/.test(action));
}
