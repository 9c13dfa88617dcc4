import type { SessionId } from "../../session/ids.ts";
import type { SessionSnapshot } from "../../session/session-store.ts";
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

export interface CsrfChange {
  readonly id: SessionId;
  readonly hash: Buffer;
  readonly actingActorId: string;
  readonly callingService: string;
}

const ITEM = {
  item_id: "text",
  hash: "bytea",
  acting_actor_id: "text",
  calling_service: "text",
};

/** A row is locked before it is evaluated, for the same reason as in revoke-sessions.ts. */
function rotateStatement({ suffix, lock, isSkipped }: Locking): Statement {
  return {
    name: `rotate_csrf${suffix}`,
    summary: "UPDATE sessions INSERT audit_events",
    text: `
    WITH item AS (
      SELECT * FROM ${itemsFrom("item", ITEM)}
    ), target AS (
      SELECT id AS target_id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at,
        hash, acting_actor_id, calling_service
      FROM item JOIN sessions ON id = item_id WHERE revoked_at IS NULL ${lock}
    ), rotated AS (
      UPDATE sessions SET csrf_token_hash = hash
      FROM target WHERE id = target_id AND ${live("target")}
      RETURNING ${QUALIFIED_SESSION_COLUMNS}, acting_actor_id, calling_service
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_csrf_rotated', acting_actor_id, calling_service,
        tenant_id, 'session', id, '{}'
      FROM rotated
    )
    SELECT ${SESSION_COLUMNS}, ${NOW} AS now, false AS skipped FROM rotated
    UNION ALL
    SELECT item_id, ${NO_SESSION}, NULL, true
    FROM item WHERE ${isSkipped("item_id", "revoked_at IS NULL")}`,
  };
}

/**
 * Stores new CSRF hashes for a batch of sessions. The result is undefined for a session that has ended
 * or does not exist.
 */
export function rotateCsrfOfSessions(
  locking: Locking,
): (query: Query) => Execute<CsrfChange, SessionSnapshot | undefined> {
  const statement = rotateStatement(locking);
  return (query) => async (close, signal) => {
    const values = () => {
      const changes = close();
      return [
        changes.map(({ id }) => id),
        changes.map(({ hash }) => hash),
        changes.map(({ actingActorId }) => actingActorId),
        changes.map(({ callingService }) => callingService),
      ];
    };
    const rows = byId(await query(statement, values, signal));
    return close().map(({ id }) => {
      const row = rows.get(id);
      return row?.skipped ? RETRY_ALONE : snapshotOf(row);
    });
  };
}
