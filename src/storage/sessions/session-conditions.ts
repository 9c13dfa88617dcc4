/** Conditions on the rows of sessions that several statements share. */

/**
 * Whether a row of a session is live. PostgreSQL checks it again on a row that it waited for while
 * it was changed. The clock is read, not the statement's time: a statement that waited past a
 * deadline must not take the session for live, or a late touch would revive it.
 */
export function live(row: string): string {
  return `${row}.revoked_at IS NULL
  AND ${row}.absolute_expires_at > clock_timestamp()
  AND ${row}.last_seen_at + ${row}.idle_timeout_seconds * interval '1 second'
    > clock_timestamp()`;
}

export const LIVE = live("sessions");

/**
 * What a statement does about a session that another transaction has locked. In such a statement
 * `item` has the requests, and `target`, with a `target_id`, locks rows.
 */
export interface Locking {
  /** Ends the names of prepared statements. */
  readonly suffix: string;
  readonly lock: string;
  /** Whether an item's session meets the condition but was skipped. */
  isSkipped(id: string, condition: string): string;
}

/** A statement for one item waits for its row. */
export const WAIT_FOR_LOCKED: Locking = {
  suffix: "",
  lock: "FOR UPDATE OF sessions",
  isSkipped: () => "false",
};

/**
 * A statement for a batch skips the row, so that the other items do not wait, and two such
 * statements, in two replicas, cannot deadlock. A row that was changed since the statement began
 * counts as skipped too: a retry finds out.
 */
export const SKIP_LOCKED: Locking = {
  suffix: "_batch",
  lock: "FOR UPDATE OF sessions SKIP LOCKED",
  // CASE, so that only those without a target are looked up a second time.
  isSkipped: (id, condition) => `CASE
        WHEN ${id} IN (SELECT target_id FROM target) THEN false
        ELSE COALESCE((SELECT ${condition} FROM sessions WHERE sessions.id = ${id}), false)
      END`,
};
