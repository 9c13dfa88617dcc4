import type { CallContext } from "../../session/call-context.ts";
import type { SessionId } from "../../session/ids.ts";
import type { RotateOutcome, Rotation, SessionSnapshot } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import type { Execute } from "../pg/batcher.ts";
import type { Database, Query, Row } from "../pg/database.ts";
import { instant, instantOf } from "../pg/instants.ts";
import { itemsFrom, NOW } from "../pg/sql.ts";
import { actorValues, LOCK_ACTOR_SHARED } from "./actor-lock.ts";
import { actorKey } from "./change-keys.ts";
import {
  QUALIFIED_SESSION_COLUMNS,
  SESSION_COLUMNS,
  sessionColumns,
  sessionOf,
  snapshotOf,
} from "./session-columns.ts";
import { live } from "./session-conditions.ts";

/** The columns in which the successor differs. All others are copied, the absolute deadline too. */
const CHANGED: Readonly<Record<string, string>> = {
  id: "$2",
  last_seen_at: `GREATEST(last_seen_at, ${NOW})`,
  revoked_at: "NULL",
  revoke_reason: "''",
  revoked_by: "''",
  signing_key_id: "$10",
  csrf_token_hash: "$3",
  auth_level: "COALESCE($4::integer, auth_level)",
  auth_methods: "COALESCE($5::jsonb, auth_methods)",
  authenticated_at: `CASE WHEN $6::timestamptz IS NULL THEN authenticated_at
    ELSE LEAST($6, ${NOW}) END`,
};

const SUCCESSOR = sessionColumns.map(({ name }) => CHANGED[name] ?? name).join(", ");

/** The row is locked before it is evaluated, for the same reason as in revoke-sessions.ts. */
const ROTATE_SESSION = {
  name: "rotate_session",
  summary: "UPDATE sessions INSERT sessions audit_events",
  text: `
    WITH active_key AS (
      SELECT tenant_id FROM signing_keys WHERE id = $10 AND retired_at IS NULL
    ), target AS (
      SELECT ${QUALIFIED_SESSION_COLUMNS} FROM sessions
      JOIN active_key ON active_key.tenant_id = sessions.tenant_id
      WHERE id = $1 AND revoked_at IS NULL FOR UPDATE OF sessions
    ), rotated AS (
      UPDATE sessions SET revoked_at = ${NOW}, revoke_reason = 'rotated', revoked_by = $7,
        rotated_to = $2,
        rotation_grace_until = CASE WHEN $8::float8 > 0
          THEN ${NOW} + $8 * interval '1 millisecond' END
      FROM target WHERE sessions.id = target.id AND ${live("target")}
      RETURNING target.*
    ), created AS (
      INSERT INTO sessions (${SESSION_COLUMNS}) SELECT ${SUCCESSOR} FROM rotated
      RETURNING ${SESSION_COLUMNS}
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_revoked', $7, $9, tenant_id, 'session', $1,
        jsonb_build_object('reason', 'rotated', 'rotated_to', id)
      FROM created
      UNION ALL
      SELECT ${NOW}, 'auth', 'auth.session_rotated', $7, $9, tenant_id, 'session', id,
        jsonb_build_object('rotated_from', $1::text, 'grace_ms', $8::text)
      FROM created
    )
    SELECT created.*, ${NOW} AS now, EXISTS (SELECT FROM active_key) AS is_key_active
    FROM (SELECT) AS always LEFT JOIN created ON true`,
};

/**
 * The lock keeps RevokeAllForActor and Creates under a session limit apart from rotations. Their
 * statements see either session only if it was committed before they began: waiting for the row of
 * the old session, they would find it revoked, and miss the new one.
 */
export function rotateSession(
  database: Database,
  id: SessionId,
  rotation: Rotation,
  context: CallContext,
): Promise<RotateOutcome> {
  const { actor, newId, signingKeyId, csrfTokenHash, authentication, graceMs, rotatedBy } =
    rotation;
  const { authLevel, authMethods, authenticatedAt } = authentication;
  const values = [
    id,
    newId,
    csrfTokenHash,
    authLevel,
    authMethods && JSON.stringify(authMethods),
    instant.to(authenticatedAt),
    rotatedBy,
    graceMs,
    context.callingService,
    signingKeyId,
  ];
  return database.lockingTransaction(context, actorKey(actor), async (run) => {
    await run(LOCK_ACTOR_SHARED, actorValues(actor));
    const [row] = (await run(ROTATE_SESSION, values)) as readonly [Row];
    if (!row.is_key_active) return { kind: "key_not_active" };
    if (row.id === null) return { kind: "ended" };
    return { kind: "rotated", session: sessionOf(row), now: instantOf(row.now) };
  });
}

export const END_GRACE = {
  name: "end_grace",
  summary: "UPDATE sessions INSERT audit_events",
  text: `
    WITH ended AS (
      UPDATE sessions SET rotation_grace_until = NULL
      WHERE id = $1 AND rotation_grace_until > clock_timestamp()
      RETURNING id, tenant_id
    )
    INSERT INTO audit_events (${AUDIT_COLUMNS})
    SELECT ${NOW}, 'auth', 'auth.session_grace_ended', $3, $4, tenant_id, 'session', id,
      jsonb_build_object('reason', $2::text)
    FROM ended`,
};

/** Nobody needs more of them within one grace, and a query must have an end. */
const MAX_ROTATIONS = 8;

export interface SuccessorOf {
  readonly id: SessionId;
  readonly ignoreGrace: boolean;
}

const SUCCESSOR_OF = { item: "integer", first_id: "text", ignore_grace: "boolean" };

const IS_FOLLOWED = `sessions.rotated_to IS NOT NULL
  AND (ignore_grace OR sessions.rotation_grace_until > ${NOW})`;

const FIND_SUCCESSORS = {
  name: "find_successors",
  summary: "SELECT sessions",
  text: `
    WITH RECURSIVE rotation AS (
      SELECT item, ignore_grace, sessions.rotated_to, 1 AS number
      FROM ${itemsFrom("items", SUCCESSOR_OF)} JOIN sessions ON id = first_id
      WHERE ${IS_FOLLOWED}
      UNION ALL
      SELECT item, ignore_grace, sessions.rotated_to, number + 1
      FROM rotation JOIN sessions ON sessions.id = rotation.rotated_to
      WHERE number < ${MAX_ROTATIONS} AND ${IS_FOLLOWED}
    ), latest AS (
      SELECT DISTINCT ON (item) item, rotated_to FROM rotation ORDER BY item, number DESC
    )
    SELECT item, ${QUALIFIED_SESSION_COLUMNS}, ${NOW} AS now
    FROM latest JOIN sessions ON sessions.id = latest.rotated_to`,
};

/** Finds the sessions into which a batch of sessions has been rotated. */
export function findSuccessors(query: Query): Execute<SuccessorOf, SessionSnapshot | undefined> {
  return async (close, signal) => {
    const values = () => {
      const items = close();
      return [
        items.map((_, index) => index),
        items.map(({ id }) => id),
        items.map(({ ignoreGrace }) => ignoreGrace),
      ];
    };
    const rows = await query(FIND_SUCCESSORS, values, signal);
    const byItem = new Map(rows.map((row) => [row.item, row]));
    return close().map((_, index) => snapshotOf(byItem.get(index)));
  };
}
