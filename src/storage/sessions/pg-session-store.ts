import type { SessionId } from "../../session/ids.ts";
import type { SessionStore } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import { management } from "../pg/connection-permits.ts";
import type { Database } from "../pg/database.ts";
import { instantOf } from "../pg/instants.ts";
import { newestFirst } from "../pg/newest-first.ts";
import { NOW } from "../pg/sql.ts";
import { actorValues, LOCK_ACTOR } from "./actor-lock.ts";
import { actorKey, sessionKey } from "./change-keys.ts";
import { END_GRACE, rotateSession } from "./rotate-session.ts";
import { foundSessions, searchStatement } from "./search-sessions.ts";
import { SessionBatchers } from "./session-batchers.ts";
import { SESSION_COLUMNS, sessionOf, snapshotOf } from "./session-columns.ts";
import { LIVE, live } from "./session-conditions.ts";
import { sessionEntity } from "./session-entity.ts";
import { createWithinLimit } from "./session-limit.ts";

/**
 * Rows are locked in the order of their ids, so that concurrent calls cannot deadlock, and before they
 * are evaluated, as in revoke-sessions.ts. Rows past their absolute deadline need no lock, since that
 * deadline never moves. What the session to keep was rotated to since it was read is kept, too.
 */
const REVOKE_ALL_FOR_ACTOR = {
  name: "revoke_all_for_actor",
  summary: "UPDATE sessions INSERT audit_events",
  text: `
    WITH RECURSIVE kept (id, successor_id) AS (
      SELECT id, rotated_to FROM sessions WHERE id = $4
      UNION ALL
      SELECT sessions.id, rotated_to FROM kept JOIN sessions ON sessions.id = successor_id
    ), target AS (
      SELECT id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at FROM sessions
      WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3
        AND id NOT IN (SELECT id FROM kept)
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

const UPDATE_METADATA = {
  name: "update_metadata",
  summary: "UPDATE sessions INSERT audit_events",
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
  summary: "SELECT sessions",
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
  summary: "UPDATE sessions INSERT audit_events",
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
    findByCookie: (id, signingKeyId, context) =>
      batchers.findByCookie({ id, signingKeyId }, context),

    find: (id, context) => batchers.find(id, context),

    create(session, replaces, limit, context) {
      const create = { session, replaces, callingService: context.callingService };
      return limit.maxPerActor === 0 || session.preLogin
        ? batchers.create(create, context)
        : createWithinLimit(database, create, limit, context);
    },

    touch: (session, intervalMs, context) => batchers.touch({ session, intervalMs }, context),

    revoke(id, { reason, revokedBy }, context) {
      const { callingService } = context;
      return batchers.revoke({ id, reason, revokedBy, callingService }, context);
    },

    revokeAllForActor(actor, keep, { reason, revokedBy }, context) {
      return database.lockingTransaction(context, actorKey(actor), async (run) => {
        const values = actorValues(actor);
        // For the sake of rotations: rotate-session.ts.
        await run(LOCK_ACTOR, values);
        const who = [revokedBy, context.callingService];
        const [row] = await run(REVOKE_ALL_FOR_ACTOR, [...values, keep ?? "", reason, ...who]);
        return row?.count as number;
      });
    },

    rotate: (id, rotation, context) => rotateSession(database, id, rotation, context),

    findSuccessor: (id, { ignoreGrace }, context) =>
      batchers.findSuccessor({ id, ignoreGrace }, context),

    async endGrace(id, { reason, revokedBy }, context) {
      await database.lockingTransaction(context, sessionKey(id), (run) =>
        run(END_GRACE, [id, reason, revokedBy, context.callingService]),
      );
    },

    rotateCsrf(id, hash, actingActorId, context) {
      const { callingService } = context;
      return batchers.rotateCsrf({ id, hash, actingActorId, callingService }, context);
    },

    rotateCsrfForActor(actor, max, mint, actingActorId, context) {
      const { tenantId, actorType, actorId } = actor;
      const { callingService } = context;
      return database.lockingTransaction(context, actorKey(actor), async (run) => {
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

    async updateMetadata(id, metadata, etag, actingActorId, context) {
      const values = [id, JSON.stringify(metadata), etag, actingActorId, context.callingService];
      const [row] = await database.lockingTransaction(context, sessionKey(id), (run) =>
        run(UPDATE_METADATA, values),
      );
      return snapshotOf(row);
    },

    list({ tenantId, actorType, actorId }, { includeEnded, after, limit }, context) {
      return database.withEntityManager(
        context.signal,
        (manager) => {
          const query = manager
            .createQueryBuilder(sessionEntity, "sessions")
            .where({ tenantId, actorType, actorId });
          if (!includeEnded) query.andWhere(LIVE);
          return newestFirst(query, after, limit);
        },
        management(context),
        "SELECT sessions",
      );
    },

    async search(filter, options, context) {
      const { statement, values } = searchStatement(filter, options);
      const rows = await database.query(statement, values, context.signal, management(context));
      return foundSessions(rows, options);
    },
  };
}
