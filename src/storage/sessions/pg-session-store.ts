import type { SessionId } from "../../session/ids.ts";
import type { SessionStore } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import type { Database } from "../pg/database.ts";
import { instantOf } from "../pg/instants.ts";
import { newestFirst } from "../pg/newest-first.ts";
import { NOW } from "../pg/sql.ts";
import { SessionBatchers } from "./session-batchers.ts";
import { SESSION_COLUMNS, sessionOf, snapshotOf } from "./session-columns.ts";
import { LIVE, live } from "./session-conditions.ts";
import { sessionEntity } from "./session-entity.ts";
import { createWithinLimit } from "./session-limit.ts";

/**
 * Rows are locked in the order of their ids, so that concurrent calls cannot deadlock, and before they
 * are evaluated, as in revoke-sessions.ts. Rows past their absolute deadline need no lock, since that
 * deadline never moves.
 */
const REVOKE_ALL_FOR_ACTOR = {
  name: "revoke_all_for_actor",
  text: `
    WITH target AS (
      SELECT id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at FROM sessions
      WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3 AND id <> $4
        AND revoked_at IS NULL AND absolute_expires_at > clock_timestamp()
      ORDER BY id FOR UPDATE
    ), revoked AS (
      UPDATE sessions SET revoked_at = ${NOW}, revoke_reason = $5, revoked_by = $6
      FROM target WHERE sessions.id = target.id AND ${live("target")}
      RETURNING sessions.id
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_revoked', $6, $7, $1, 'session', id,
        jsonb_build_object('reason', $5::text)
      FROM revoked
      UNION ALL
      SELECT ${NOW}, 'auth', 'auth.sessions_revoked_for_actor', $6, $7, $1, 'actor', $3,
        jsonb_strip_nulls(jsonb_build_object('reason', $5::text, 'actor_type', $2::text,
          'kept_session_id', nullif($4, ''), 'count', (SELECT count(*) FROM revoked)::text))
    )
    SELECT count(*)::integer AS count FROM revoked`,
};

const ROTATE_CSRF = {
  name: "rotate_csrf",
  text: `
    WITH rotated AS (
      UPDATE sessions SET csrf_token_hash = $2 WHERE id = $1 AND ${LIVE}
      RETURNING ${SESSION_COLUMNS}
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_csrf_rotated', $3, $4, tenant_id, 'session', id, '{}'
      FROM rotated
    )
    SELECT *, ${NOW} AS now FROM rotated`,
};

const UPDATE_METADATA = {
  name: "update_metadata",
  text: `
    WITH updated AS (
      UPDATE sessions SET metadata = $2, metadata_etag = metadata_etag + 1
      WHERE id = $1 AND ${LIVE} AND ($3::text = '' OR metadata_etag::text = $3)
      RETURNING ${SESSION_COLUMNS}
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_metadata_updated', $4, $5, tenant_id, 'session', id,
        jsonb_build_object('metadata_etag', metadata_etag::text)
      FROM updated
    )
    SELECT *, ${NOW} AS now FROM updated`,
};

const LOCK_LIVE_OF_ACTOR = {
  text: `
    WITH target AS (
      SELECT ${SESSION_COLUMNS} FROM sessions
      WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3
        AND revoked_at IS NULL AND absolute_expires_at > clock_timestamp()
      ORDER BY id FOR UPDATE
    )
    SELECT *, ${NOW} AS now FROM target WHERE ${live("target")} ORDER BY id LIMIT $4`,
};

const SET_CSRF_HASHES = {
  text: `
    WITH rotated AS (
      UPDATE sessions SET csrf_token_hash = new.hash
      FROM unnest($1::text[], $2::bytea[]) AS new (id, hash)
      WHERE sessions.id = new.id
      RETURNING sessions.id
    )
    INSERT INTO audit_events (${AUDIT_COLUMNS})
    SELECT ${NOW}, 'auth', 'auth.session_csrf_rotated', $3, $4, $5, 'session', id, '{}'
    FROM rotated
    UNION ALL
    SELECT ${NOW}, 'auth', 'auth.sessions_csrf_rotated_for_actor', $3, $4, $5, 'actor', $6,
      jsonb_build_object('actor_type', $7::text, 'count', cardinality($1::text[])::text)`,
};

/** The sessions in PostgreSQL. */
export function createSessionStore(database: Database): SessionStore {
  const batchers = new SessionBatchers(database);
  return {
    findByCookie: (id, signingKeyId, { signal }) =>
      batchers.findByCookie.add({ id, signingKeyId }, signal),

    find: (id, { signal }) => batchers.find.add(id, signal),

    create(session, replaces, limit, { signal, callingService }) {
      const create = { session, replaces, callingService };
      return limit.maxPerActor === 0 || session.preLogin
        ? batchers.create.add(create, signal)
        : createWithinLimit(database, create, limit, signal);
    },

    touch: (id, intervalMs, { signal }) => batchers.touch.add({ id, intervalMs }, signal),

    revoke: (id, { reason, revokedBy }, { signal, callingService }) =>
      batchers.revoke.add({ id, reason, revokedBy, callingService }, signal),

    async revokeAllForActor(actor, keep, { reason, revokedBy }, { signal, callingService }) {
      const { tenantId, actorType, actorId } = actor;
      const values = [tenantId, actorType, actorId, keep ?? "", reason, revokedBy, callingService];
      const [row] = await database.query(REVOKE_ALL_FOR_ACTOR, values, signal);
      return row?.count as number;
    },

    async rotateCsrf(id, hash, actingActorId, { signal, callingService }) {
      const values = [id, hash, actingActorId, callingService];
      const [row] = await database.query(ROTATE_CSRF, values, signal);
      return snapshotOf(row);
    },

    rotateCsrfForActor(actor, max, mint, actingActorId, { signal, callingService }) {
      const { tenantId, actorType, actorId } = actor;
      return database.transaction(signal, async (run) => {
        const rows = await run(LOCK_LIVE_OF_ACTOR, [tenantId, actorType, actorId, max + 1]);
        if (rows.length > max) return undefined;
        const ids = rows.map((row) => row.id as SessionId);
        const hashes = ids.map(mint);
        const audit = [actingActorId, callingService, tenantId, actorId, actorType];
        await run(SET_CSRF_HASHES, [ids, hashes, ...audit]);
        return rows.map((row, index) => ({
          session: { ...sessionOf(row), csrfTokenHash: hashes[index] as Buffer },
          now: instantOf(row.now),
        }));
      });
    },

    async updateMetadata(id, metadata, etag, actingActorId, { signal, callingService }) {
      const values = [id, JSON.stringify(metadata), etag, actingActorId, callingService];
      const [row] = await database.query(UPDATE_METADATA, values, signal);
      return snapshotOf(row);
    },

    list({ tenantId, actorType, actorId }, { includeEnded, after, limit }, { signal }) {
      return database.withEntityManager(signal, (manager) => {
        const query = manager
          .createQueryBuilder(sessionEntity, "sessions")
          .where({ tenantId, actorType, actorId });
        if (!includeEnded) query.andWhere(LIVE);
        return newestFirst(query, after, limit);
      });
    },
  };
}
