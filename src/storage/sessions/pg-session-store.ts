import type { CallContext } from "../../session/call-context.ts";
import type { SessionId, SigningKeyId } from "../../session/ids.ts";
import type { ListPage, ListPosition } from "../../session/list-page.ts";
import type { SessionLimit } from "../../session/policy.ts";
import type { Actor, Session } from "../../session/session.ts";
import type {
  CookieLookup,
  CreateOutcome,
  NewSession,
  Revocation,
  SessionSnapshot,
  SessionStore,
} from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import type { Database, Row } from "../pg/database.ts";
import { instantOf } from "../pg/instants.ts";
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

export class PgSessionStore implements SessionStore {
  readonly #database: Database;
  readonly #batchers: SessionBatchers;

  constructor(database: Database) {
    this.#database = database;
    this.#batchers = new SessionBatchers(database);
  }

  findByCookie(
    id: SessionId,
    signingKeyId: SigningKeyId,
    { signal }: CallContext,
  ): Promise<CookieLookup> {
    return this.#batchers.findByCookie.add({ id, signingKeyId }, signal);
  }

  find(id: SessionId, { signal }: CallContext): Promise<SessionSnapshot | undefined> {
    return this.#batchers.find.add(id, signal);
  }

  create(
    session: NewSession,
    replaces: SessionId | undefined,
    limit: SessionLimit,
    { signal, callingService }: CallContext,
  ): Promise<CreateOutcome> {
    const create = { session, replaces, callingService };
    return limit.maxPerActor === 0 || session.preLogin
      ? this.#batchers.create.add(create, signal)
      : createWithinLimit(this.#database, create, limit, signal);
  }

  touch(
    id: SessionId,
    intervalMs: number,
    { signal }: CallContext,
  ): Promise<SessionSnapshot | undefined> {
    return this.#batchers.touch.add({ id, intervalMs }, signal);
  }

  revoke(
    id: SessionId,
    { reason, revokedBy }: Revocation,
    { signal, callingService }: CallContext,
  ): Promise<SessionSnapshot | undefined> {
    return this.#batchers.revoke.add({ id, reason, revokedBy, callingService }, signal);
  }

  async revokeAllForActor(
    { tenantId, actorType, actorId }: Actor,
    keep: SessionId | undefined,
    { reason, revokedBy }: Revocation,
    { signal, callingService }: CallContext,
  ): Promise<number> {
    const values = [tenantId, actorType, actorId, keep ?? "", reason, revokedBy, callingService];
    const [row] = await this.#database.query(REVOKE_ALL_FOR_ACTOR, values, signal);
    return row?.count as number;
  }

  async rotateCsrf(
    id: SessionId,
    hash: Buffer,
    actingActorId: string,
    { signal, callingService }: CallContext,
  ): Promise<SessionSnapshot | undefined> {
    const values = [id, hash, actingActorId, callingService];
    const [row] = await this.#database.query(ROTATE_CSRF, values, signal);
    return snapshotOf(row);
  }

  rotateCsrfForActor(
    { tenantId, actorType, actorId }: Actor,
    max: number,
    mint: (id: SessionId) => Buffer,
    actingActorId: string,
    { signal, callingService }: CallContext,
  ): Promise<readonly SessionSnapshot[] | undefined> {
    return this.#database.transaction(signal, async (run) => {
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
  }

  list(
    { tenantId, actorType, actorId }: Actor,
    options: {
      readonly includeEnded: boolean;
      readonly after: ListPosition<SessionId> | undefined;
      readonly limit: number;
    },
    { signal }: CallContext,
  ): Promise<ListPage<Session>> {
    const { includeEnded, after, limit } = options;
    return this.#database.withEntityManager(signal, async (manager) => {
      const query = manager
        .createQueryBuilder(sessionEntity, "sessions")
        .addSelect(NOW, "now")
        .where({ tenantId, actorType, actorId })
        .orderBy({ "sessions.createdAt": "DESC", "sessions.id": "DESC" })
        .limit(limit + 1);
      if (!includeEnded) query.andWhere(LIVE);
      if (after !== undefined) {
        query.andWhere("(sessions.created_at, sessions.id) < (:createdAt, :id)", {
          createdAt: new Date(after.createdAt),
          id: after.id,
        });
      }
      const { entities, raw } = await query.getRawAndEntities<Row>();
      return {
        now: raw[0] === undefined ? 0 : instantOf(raw[0].now),
        items: entities.slice(0, limit),
        more: entities.length > limit,
      };
    });
  }
}
