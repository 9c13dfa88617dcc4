import type { TestApp } from "./app.ts";

export interface SessionRow {
  readonly revoked_at: Date | null;
  readonly revoke_reason: string;
  readonly revoked_by: string;
  readonly last_seen_at: Date;
  readonly csrf_token_hash: Buffer;
  /** The transaction that wrote this version of the row: the same if nothing was written. */
  readonly xmin: string;
}

/** The whole row of a session; undefined if there is none. */
export async function sessionRow(
  { sql }: Pick<TestApp, "sql">,
  id: string,
): Promise<SessionRow | undefined> {
  const [row] = await sql<SessionRow>("SELECT *, xmin::text FROM sessions WHERE id = $1", [id]);
  return row;
}
