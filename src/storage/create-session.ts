import type { SessionId } from "../session/ids.ts";
import type { SessionLimit } from "../session/policy.ts";
import type { NewSession } from "../session/ports.ts";
import type { Run } from "./database.ts";
import { AUDIT_COLUMNS, LIVE, live, NOW, SESSION_COLUMNS } from "./sql.ts";

/**
 * Reads the tenant's active key where the row is written, so that a replica never signs with a key
 * that another one has retired. Without an active key nothing is written and no row comes back.
 * The session to be replaced is locked before it is judged, for the reason that a revocation is.
 */
export const CREATE = {
  name: "create",
  text: `
    WITH active_key AS (
      SELECT id FROM signing_keys WHERE tenant_id = $2 AND retired_at IS NULL
    ), target AS (
      SELECT id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at FROM sessions
      WHERE id = $14 AND tenant_id = $2 AND EXISTS (SELECT FROM active_key) FOR UPDATE
    ), replaced AS (
      UPDATE sessions SET revoked_at = ${NOW}, revoke_reason = 'replaced', revoked_by = $4
      FROM target WHERE sessions.id = target.id AND ${live("target")}
      RETURNING sessions.id, sessions.pre_login
    ), created AS (
      INSERT INTO sessions (${SESSION_COLUMNS})
      SELECT $1, $2, $3, $4, $5, $6, ${NOW}, ${NOW}, $7,
        ${NOW} + $8 * interval '1 millisecond', NULL, '', '', $9, $10, id, $11, $12::jsonb
      FROM active_key
      RETURNING ${SESSION_COLUMNS}
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_revoked', $4, $13, $2, 'session', id,
        jsonb_build_object('reason', 'replaced', 'replaced_by', $1::text)
      FROM replaced
      UNION ALL
      SELECT ${NOW}, 'auth', 'auth.session_created', $4, $13, $2, 'session', id,
        jsonb_build_object('actor_type', actor_type, 'pre_login', pre_login::text)
      FROM created
    )
    SELECT created.*, ${NOW} AS now, replaced.id AS replaced_id,
      replaced.pre_login AS replaced_pre_login
    FROM created LEFT JOIN replaced ON true`,
};

export function createValues(
  session: NewSession,
  replaces: SessionId | undefined,
  callingService: string,
): readonly unknown[] {
  return [
    session.id,
    session.tenantId,
    session.actorType,
    session.actorId,
    session.appType,
    session.preLogin,
    session.idleTimeoutMs / 1000,
    session.absoluteTimeoutMs,
    session.ipAddress,
    session.userAgent,
    session.csrfTokenHash,
    JSON.stringify(session.metadata),
    callingService,
    replaces ?? "",
  ];
}

/**
 * Creates of one actor wait here for each other until their transactions end. The statement that
 * counts comes after this one, so that it sees what those before it have committed.
 */
const LOCK_ACTOR = {
  name: "lock_actor",
  text: "SELECT pg_advisory_xact_lock(hashtextextended(jsonb_build_array($1::text, $2::text, $3::text)::text, 0))",
};

const COUNT_LIVE = {
  name: "count_live",
  text: `
    SELECT count(*)::integer AS count FROM sessions
    WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3 AND NOT pre_login AND id <> $4
      AND ${LIVE}`,
};

const EVICT_OLDEST = {
  name: "evict_oldest",
  text: `
    WITH oldest AS (
      SELECT id FROM sessions
      WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3 AND NOT pre_login AND id <> $4
        AND ${LIVE}
      ORDER BY created_at, id LIMIT $5 FOR UPDATE
    ), evicted AS (
      UPDATE sessions SET revoked_at = ${NOW}, revoke_reason = 'session_limit', revoked_by = $3
      FROM oldest WHERE sessions.id = oldest.id
      RETURNING sessions.id
    )
    INSERT INTO audit_events (${AUDIT_COLUMNS})
    SELECT ${NOW}, 'auth', 'auth.session_revoked', $3, $6, $1, 'session', id,
      '{"reason": "session_limit"}'
    FROM evicted`,
};

/**
 * By how many live sessions the actor would exceed the limit with one more; 0 or less if there is
 * room. The session to be replaced does not count. What it says holds until the transaction ends.
 */
export async function excessOverLimit(
  run: Run,
  { tenantId, actorType, actorId }: NewSession,
  replaces: SessionId | undefined,
  { maxPerActor }: SessionLimit,
): Promise<number> {
  const actor = [tenantId, actorType, actorId];
  await run(LOCK_ACTOR, actor);
  const [row] = await run(COUNT_LIVE, [...actor, replaces ?? ""]);
  return (row?.count as number) + 1 - maxPerActor;
}

/** Revokes the actor's oldest live sessions, but not the one that was just created. */
export async function evictOldest(
  run: Run,
  { tenantId, actorType, actorId, id }: NewSession,
  count: number,
  callingService: string,
): Promise<void> {
  await run(EVICT_OLDEST, [tenantId, actorType, actorId, id, count, callingService]);
}
