import type { TestApp } from "./app.ts";

type Sql = Pick<TestApp, "sql">;

/**
 * Puts a session's whole life into the past, as if that much time had gone by: no test waits for a
 * deadline.
 */
export async function age({ sql }: Sql, sessionId: string, seconds: number): Promise<void> {
  await sql(
    `UPDATE sessions SET
       created_at = created_at - $2 * interval '1 second',
       last_seen_at = last_seen_at - $2 * interval '1 second',
       absolute_expires_at = absolute_expires_at - $2 * interval '1 second',
       revoked_at = revoked_at - $2 * interval '1 second'
     WHERE id = $1`,
    [sessionId, seconds],
  );
}

/** Lets a session have been idle for that long, without moving its absolute deadline. */
export async function idle({ sql }: Sql, sessionId: string, seconds: number): Promise<void> {
  await sql(
    `UPDATE sessions SET last_seen_at = statement_timestamp() - $2 * interval '1 second'
     WHERE id = $1`,
    [sessionId, seconds],
  );
}

/** Puts a session's absolute deadline that far into the future; negative: into the past. */
export async function setAbsolute({ sql }: Sql, sessionId: string, seconds: number): Promise<void> {
  await sql(
    `UPDATE sessions SET absolute_expires_at = statement_timestamp() + $2 * interval '1 second'
     WHERE id = $1`,
    [sessionId, seconds],
  );
}
