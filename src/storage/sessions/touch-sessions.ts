import type { SessionId } from "../../session/ids.ts";
import type { Read } from "../../session/session-store.ts";
import { ALONE, type Execute } from "../pg/batcher.ts";
import type { Database, Statement } from "../pg/database.ts";
import {
  type Locking,
  live,
  membersFrom,
  NO_SESSION,
  NOW,
  qualified,
  SESSION_COLUMNS,
} from "../pg/sql.ts";
import { byId, readOf } from "./session-rows.ts";

export interface Touch {
  readonly id: SessionId;
  readonly intervalMs: number;
}

const MEMBER = { member_id: "text", interval_ms: "float8" };

const due = (row: string) =>
  `${row}.last_seen_at <= ${NOW} - interval_ms * interval '1 millisecond' AND ${live(row)}`;

/**
 * Rows that are due are locked and then judged again: a touch that waited for its row past a
 * deadline must not revive the session. What is not due will not become so by waiting.
 */
function touchStatement({ suffix, lock, isPassedOver }: Locking): Statement {
  return {
    name: `touch${suffix}`,
    text: `
    WITH member AS (
      SELECT * FROM ${membersFrom("member", MEMBER)}
    ), target AS (
      SELECT id AS target_id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at,
        interval_ms
      FROM member JOIN sessions ON id = member_id WHERE ${due("sessions")} ${lock}
    ), touched AS (
      UPDATE sessions SET last_seen_at = GREATEST(sessions.last_seen_at, ${NOW})
      FROM target WHERE id = target_id AND ${due("target")}
      RETURNING ${qualified("sessions", SESSION_COLUMNS)}
    )
    SELECT ${SESSION_COLUMNS}, ${NOW} AS now, false AS passed_over FROM touched
    UNION ALL
    SELECT member_id, ${NO_SESSION}, NULL, true
    FROM member WHERE ${isPassedOver("member_id", due("sessions"))}`,
  };
}

export function touchSessions(
  database: Database,
  locking: Locking,
): Execute<Touch, Read | undefined> {
  const statement = touchStatement(locking);
  return async (seal, signal) => {
    const values = () => {
      const touches = seal();
      return [touches.map(({ id }) => id), touches.map(({ intervalMs }) => intervalMs)];
    };
    const rows = byId(await database.query(statement, values, signal));
    return seal().map(({ id }) => {
      const row = rows.get(id);
      return row?.passed_over ? ALONE : readOf(row);
    });
  };
}
