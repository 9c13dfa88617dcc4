/** Pieces of SQL that several statements share. */

/** Now, in the milliseconds that the domain reckons in. */
export const NOW = "date_trunc('milliseconds', statement_timestamp())";

/**
 * Whether a row of a session is live. PostgreSQL checks it again on a row that it waited for while
 * it was changed. The clock, not the statement's time: a statement that waited past a deadline
 * must not take the session for live, or a late touch would revive it.
 */
export function live(row: string): string {
  return `${row}.revoked_at IS NULL
  AND ${row}.absolute_expires_at > clock_timestamp()
  AND ${row}.last_seen_at + ${row}.idle_timeout_seconds * interval '1 second'
    > clock_timestamp()`;
}

export const LIVE = live("sessions");

export const SESSION_COLUMNS = `id, tenant_id, actor_type, actor_id, app_type, pre_login, created_at,
  last_seen_at, idle_timeout_seconds, absolute_expires_at, revoked_at, revoke_reason, revoked_by,
  ip_address, user_agent, signing_key_id, csrf_token_hash, metadata`;

/** In the place of the columns but the id, in a row that is not a session's. */
export const NO_SESSION = SESSION_COLUMNS.split(",").slice(1).fill("NULL").join(", ");

/** The columns with their table's name, for where those of another one are in scope too. */
export function qualified(table: string, columns: string): string {
  return columns.replaceAll(/\w+/g, (column) => `${table}.${column}`);
}

/**
 * A parameter that holds an array. As a subquery, so that the planner does not see its length: it
 * takes plans for known lengths of less than ten for cheaper and then makes one for each execution
 * (250 µs of PostgreSQL's time for a lone read instead of 120).
 */
export function arrayParameter(number: number, type: string): string {
  return `(SELECT $${number}::${type}[])::${type}[]`;
}

/** The items of a collected statement, from parameters that hold an array for each column. */
export function itemsFrom(alias: string, columns: Readonly<Record<string, string>>): string {
  const types = Object.values(columns);
  const arrays = types.map((type, index) => arrayParameter(index + 1, type));
  return `unnest(${arrays.join(", ")}) AS ${alias} (${Object.keys(columns).join(", ")})`;
}

/**
 * What a statement does about a session that another transaction has locked. In such a statement
 * `item` has what it is asked for, and `target`, with a `target_id`, locks rows.
 */
export interface Locking {
  /** Ends the names of prepared statements. */
  readonly suffix: string;
  readonly lock: string;
  /** Whether an item's session is a candidate by the second expression, but has been passed over. */
  isSkipped(id: string, isCandidate: string): string;
}

/** A statement for one item waits for its row. */
export const WAIT_FOR_LOCKED: Locking = {
  suffix: "",
  lock: "FOR UPDATE OF sessions",
  isSkipped: () => "false",
};

/**
 * A statement for several passes over it, so that neither do the others have to wait nor can two
 * such statements, in two replicas, wait for each other. A row that was changed since the statement
 * began counts as passed over too: asking again tells.
 */
export const SKIP_LOCKED: Locking = {
  suffix: "_batch",
  lock: "FOR UPDATE OF sessions SKIP LOCKED",
  // CASE, so that only those without a target are looked for a second time.
  isSkipped: (id, isCandidate) => `CASE
        WHEN ${id} IN (SELECT target_id FROM target) THEN false
        ELSE COALESCE((SELECT ${isCandidate} FROM sessions WHERE sessions.id = ${id}), false)
      END`,
};

/** The columns of an audit event in the order in which statements fill them. */
export const AUDIT_COLUMNS = `occurred_at, category, action, acting_actor_id, calling_service,
  tenant_id, resource_type, resource_id, details`;
