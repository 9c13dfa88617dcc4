import type { SessionId } from "../../session/ids.ts";
import type { Read, Revocation } from "../../session/session-store.ts";
import { ALONE, type Execute } from "../pg/batcher.ts";
import type { Database, Statement } from "../pg/database.ts";
import {
  AUDIT_COLUMNS,
  type Locking,
  live,
  membersFrom,
  NO_SESSION,
  NOW,
  qualified,
  SESSION_COLUMNS,
} from "../pg/sql.ts";
import { byId, readOf } from "./session-rows.ts";

export interface Revoke extends Revocation {
  readonly id: SessionId;
  readonly callingService: string;
}

const MEMBER = {
  member_id: "text",
  reason: "text",
  acting_actor_id: "text",
  calling_service: "text",
};

/**
 * The row is locked before it is judged, also where it looks idle: a touch that is under way may be
 * about to commit, and would undo a revocation that took the session for ended.
 */
function revokeStatement({ suffix, lock, isPassedOver }: Locking): Statement {
  return {
    name: `revoke${suffix}`,
    text: `
    WITH member AS (
      SELECT * FROM ${membersFrom("member", MEMBER)}
    ), target AS (
      SELECT id AS target_id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at,
        reason, acting_actor_id, calling_service
      FROM member JOIN sessions ON id = member_id WHERE revoked_at IS NULL ${lock}
    ), revoked AS (
      UPDATE sessions
      SET revoked_at = ${NOW}, revoke_reason = reason, revoked_by = acting_actor_id
      FROM target WHERE id = target_id AND ${live("target")}
      RETURNING ${qualified("sessions", SESSION_COLUMNS)}, calling_service
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_revoked', revoked_by, calling_service, tenant_id,
        'session', id, jsonb_build_object('reason', revoke_reason)
      FROM revoked
    )
    SELECT ${SESSION_COLUMNS}, ${NOW} AS now, false AS passed_over FROM revoked
    UNION ALL
    SELECT member_id, ${NO_SESSION}, NULL, true
    FROM member WHERE ${isPassedOver("member_id", "revoked_at IS NULL")}`,
  };
}

export function revokeSessions(
  database: Database,
  locking: Locking,
): Execute<Revoke, Read | undefined> {
  const statement = revokeStatement(locking);
  return async (seal, signal) => {
    const values = () => {
      const revokes = seal();
      return [
        revokes.map(({ id }) => id),
        revokes.map(({ reason }) => reason),
        revokes.map(({ revokedBy }) => revokedBy),
        revokes.map(({ callingService }) => callingService),
      ];
    };
    const rows = byId(await database.query(statement, values, signal));
    return seal().map(({ id }) => {
      const row = rows.get(id);
      return row?.passed_over ? ALONE : readOf(row);
    });
  };
}
