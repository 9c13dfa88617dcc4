/** Conditions on sessions that the statements share. */

/**
 * Whether a session is live. PostgreSQL checks the condition again if another transaction changed the
 * row while the statement waited for its lock. It reads the clock instead of the statement's start
 * time: otherwise a touch that waited until after a deadline would revive the session.
 */
export function live(row: string): string {
  return `${row}.revoked_at IS NULL
  AND ${row}.absolute_expires_at > clock_timestamp()
  AND ${row}.last_seen_at + ${row}.idle_timeout_seconds * interval '1 second'
    > clock_timestamp()`;
}

export const LIVE = live("sessions");

/**
 * What a statement does with a session that another transaction has locked. In these statements,
 * `item` has the items of the batch, and `target` locks the rows with the ids `target_id`.
 */
export interface Locking {
  /** The end of the name of the prepared statement. */
  readonly suffix: string;
  /** The locking clause. */
  readonly lock: string;
  /** A condition in SQL: the session with this id meets `condition`, but was skipped. */
  isSkipped(id: string, condition: string): string;
}

/** For a statement with one item: it waits for the row. */
export const WAIT_FOR_LOCKED: Locking = {
  suffix: "",
  lock: "FOR UPDATE OF sessions",
  isSkipped: () => "false",
};

/**
 * For a statement with a batch: it skips the row, so that the other items do not wait and statements
 * of two replicas cannot deadlock. A row that was changed after the statement began also counts as
 * skipped: the retry evaluates it.
 */
export const SKIP_LOCKED: Locking = {
  suffix: "_batch",
  lock: "FOR UPDATE OF sessions SKIP LOCKED",
  // CASE, so that only items without a target are looked up again.
  isSkipped: (id, condition) => `CASE
        WHEN ${id} IN (SELECT target_id FROM target) THEN false
        ELSE COALESCE((SELECT ${condition} FROM sessions WHERE sessions.id = ${id}), false)
      END`,
};
