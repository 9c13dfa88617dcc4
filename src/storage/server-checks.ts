import pg from "pg";

/** PostgreSQL's `server_version_num` for version 15. */
const MIN_VERSION = 150_000;

/** What a server says of itself. */
export interface ServerState {
  /** Such as `15.18 (Debian 15.18-0+deb12u1)`. */
  readonly version: string;
  /** Such as 150018 for 15.18. */
  readonly versionNumber: number;
  /** It replays the changes of another server, and takes none itself. */
  readonly isStandby: boolean;
  /** The setting `default_transaction_read_only` is on, for the server, the database or the role. */
  readonly isReadOnly: boolean;
}

/** The database accepts no changes. That may pass, during a failover. */
export class ReadOnlyDatabaseError extends Error {
  override readonly name = "ReadOnlyDatabaseError";
}

export async function readServerState(client: pg.ClientBase): Promise<ServerState> {
  const { rows } = await client.query<ServerState>(`
    SELECT current_setting('server_version') AS version,
      current_setting('server_version_num')::integer AS "versionNumber",
      pg_is_in_recovery() AS "isStandby",
      current_setting('default_transaction_read_only')::boolean AS "isReadOnly"`);
  return rows[0] as ServerState;
}

/** @throws {Error} if sessiond cannot use a server in this state, with the reason */
export function checkServerState(state: ServerState): void {
  const { version, versionNumber, isStandby, isReadOnly } = state;
  if (versionNumber < MIN_VERSION) {
    throw new Error(`its version is PostgreSQL ${version}; sessiond needs PostgreSQL 15 or newer`);
  }
  const why = "sessiond must be able to write sessions and audit events";
  if (isStandby) {
    throw new ReadOnlyDatabaseError(
      `it is read-only, as a standby (pg_is_in_recovery() is true); ${why}: connect to the primary`,
    );
  }
  if (isReadOnly) {
    throw new ReadOnlyDatabaseError(
      `it is read-only (default_transaction_read_only is on); ${why}: switch that setting off for ` +
        "the server, the database or the role",
    );
  }
}

/**
 * The timeline that a primary writes to: each promotion begins a new one. 0 if the server refuses to tell, as
 * some hosted databases.
 *
 * @throws {Error} if the server does not answer
 */
export async function readTimeline(client: pg.ClientBase): Promise<number> {
  try {
    const { rows } = await client.query<{ file: string }>(
      "SELECT pg_walfile_name(pg_current_wal_insert_lsn()) AS file",
    );
    return Number.parseInt(rows[0]?.file.slice(0, 8) ?? "0", 16);
  } catch (error) {
    if (error instanceof pg.DatabaseError) return 0;
    throw error;
  }
}
