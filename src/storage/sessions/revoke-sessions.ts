import type { SessionId } from "../../session/ids.ts";
import type { Revocation, SessionSnapshot } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
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

export interface Revoke extends Revocation {
  readonly id: SessionId;
  readonly callingService: string;
}

const ITEM = {
  item_id: "text",
  reason: "text",
  acting_actor_id: "text",
  calling_service: "text",
};

/**
 * A row is locked before it is evaluated, even if it looks idle-expired: a concurrent touch may be
 * about to commit. Without the lock, the revocation would treat the session as ended and do nothing,
 * and after the touch the session would be live.
 *
 * If there is nothing to change, it writes an empty message, which is never null, into the write-ahead log:
 * only commits that have written wait for the synchronous standby. The session may have been ended by one
 * whose wait was cancelled, so that a failover would make it live again. Its end is not acknowledged before
 * the standby has it.
 */
function revokeStatement({ suffix, lock, isSkipped }: Locking): Statement {
  return {
    name: `revoke${suffix}`,
    summary: "UPDATE sessions INSERT audit_events",
    text: `
    WITH item AS (
      SELECT * FROM ${itemsFrom("item", ITEM)}
    ), target AS (
      SELECT id AS target_id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at,
        reason, acting_actor_id, calling_service
      FROM item JOIN sessions ON id = item_id WHERE revoked_at IS NULL ${lock}
    ), revoked AS (
      UPDATE sessions
      SET revoked_at = ${NOW}, revoke_reason = reason, revoked_by = acting_actor_id
      FROM target WHERE id = target_id AND ${live("target")}
      RETURNING ${QUALIFIED_SESSION_COLUMNS}, calling_service
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_revoked', revoked_by, calling_service, tenant_id,
        'session', id, jsonb_build_object('reason', revoke_reason)
      FROM revoked
    )
    SELECT ${SESSION_COLUMNS}, ${NOW} AS now, false AS skipped FROM revoked
    UNION ALL
    SELECT item_id, ${NO_SESSION}, NULL, true
    FROM item WHERE ${isSkipped("item_id", "revoked_at IS NULL")}
    UNION ALL
    SELECT NULL, ${NO_SESSION}, NULL, NULL WHERE CASE WHEN EXISTS (SELECT FROM target) THEN false
      ELSE pg_logical_emit_message(true, 'sessiond', '') IS NULL END`,
  };
}

/** Revokes a batch of sessions. The result is undefined for a session that has ended or does not exist. */
export function revokeSessions(
  locking: Locking,
): (query: Query) => Execute<Revoke, SessionSnapshot | undefined> {
  const statement = revokeStatement(locking);
  return (query) => async (close, signal) => {
    const values = () => {
      const revokes = close();
      return [
        revokes.map(({ id }) => id),
        revokes.map(({ reason }) => reason),
        revokes.map(({ revokedBy }) => revokedBy),
        revokes.map(({ callingService }) => callingService),
      ];
    };
    const rows = byId(await query(statement, values, signal));
    return close().map(({ id }) => {
      const row = rows.get(id);
      return row?.skipped ? RETRY_ALONE : snapshotOf(row);
    });
  };
}
