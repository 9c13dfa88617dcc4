import type { TestDatabase } from "./database.ts";

/**
 * Copies of a session, under new ids and nothing else changed, in one statement: for tests that
 * need more of them than there is time to log in. They have no cookies; returns their ids.
 */
export async function cloneSessions(
  sql: TestDatabase["sql"],
  sessionId: string,
  count: number,
): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    `INSERT INTO sessions SELECT (jsonb_populate_record(session, jsonb_build_object('id',
         'ses-' || lpad(to_hex(number), 12, '0') || md5(id || number)))).*
       FROM sessions session, generate_series(1, $2::integer) AS number WHERE id = $1
     RETURNING id`,
    [sessionId, count],
  );
  return rows.map(({ id }) => id);
}
