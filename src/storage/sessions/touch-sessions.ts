import type { SessionId } from "../../session/ids.ts";
import type { SessionSnapshot } from "../../session/session-store.ts";
import { type Execute, RETRY_ALONE } from "../pg/batcher.ts";
import { byId } from "../pg/columns.ts";
import type { Query } from "../pg/database.ts";
import type { Statement } from "../pg/prepared-statements.ts";
import { itemsFrom, NOW } from "../pg/sql.ts";
import {
  NO_SESSION,
  QUALIFIED_SESSION_COLUMNS,
  SESSION_COLUMNS,
  snapshotOf,
} from "./session-columns.ts";
import { type Locking, live } from "./session-conditions.ts";

export interface Touch {
  readonly id: SessionId;
  readonly intervalMs: number;
}

const ITEM = { item_id: "text", interval_ms: "float8" };

const due = (row: string) =>
  `${row}.last_seen_at <= ${NOW} - interval_ms * interval '1 millisecond' AND ${live(row)}`;

/**
 * Rows that are due for a touch are locked and then evaluated again: a touch that waits for a row
 * lock until after a deadline must not revive the session. Rows that are not due need no lock.
 */
function touchStatement({ suffix, lock, isSkipped }: Locking): Statement {
  return {
    name: `touch${suffix}`,
    text: `
    WITH item AS (
      SELECT * FROM ${itemsFrom("item", ITEM)}
    ), target AS (
      SELECT id AS target_id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at,
        interval_ms
      FROM item JOIN sessions ON id = item_id WHERE ${due("sessions")} ${lock}
    ), touched AS (
      UPDATE sessions SET last_seen_at = GREATEST(sessions.last_seen_at, ${NOW})
      FROM target WHERE id = target_id AND ${due("target")}
      RETURNING ${QUALIFIED_SESSION_COLUMNS}
    )
    SELECT ${SESSION_COLUMNS}, ${NOW} AS now, false AS skipped FROM touched
    UNION ALL
    SELECT item_id, ${NO_SESSION}, NULL, true
    FROM item WHERE ${isSkipped("item_id", due("sessions"))}`,
  };
}

/**
 * Touches a batch of sessions. The result is undefined for a session that was not touched. Of several
 * items for one session, the first decides and the others touch nothing: their interval is the same.
 */
export function touchSessions(
  locking: Locking,
): (query: Query) => Execute<Touch, SessionSnapshot | undefined> {
  const statement = touchStatement(locking);
  return (query) => async (close, signal) => {
    const values = () => {
      const touches = firstOfEach(close());
      return [touches.map(({ id }) => id), touches.map(({ intervalMs }) => intervalMs)];
    };
    const rows = byId(await query(statement, values, signal));
    const touches = close();
    const writers = new Set(firstOfEach(touches));
    return touches.map((touch) => {
      const row = rows.get(touch.id);
      if (row?.skipped) return RETRY_ALONE;
      return writers.has(touch) ? snapshotOf(row) : undefined;
    });
  };
}

/**
 * A burst of calls for one session would otherwise take a statement for each. The others of its touches
 * find nothing to do, as if they came right after the first.
 */
function firstOfEach(touches: readonly Touch[]): readonly Touch[] {
  const seen = new Set<SessionId>();
  return touches.filter(({ id }) => !seen.has(id) && seen.add(id));
}
