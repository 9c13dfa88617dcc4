import type { CallContext } from "../../session/call-context.ts";
import type { SweepStore } from "../../session/sweep-store.ts";
import { management } from "../pg/connection-permits.ts";
import type { Database } from "../pg/database.ts";
import type { Statement } from "../pg/prepared-statements.ts";

/** Any number, as long as it is the same in all versions of sessiond. */
const SWEEP_LOCK = 7_361_512_002;

const LOCK_SWEEP = {
  summary: "SELECT pg_try_advisory_xact_lock",
  text: "SELECT pg_try_advisory_xact_lock($1) AS locked",
};

/**
 * The absolute deadline never moves, so a session that this finds cannot become live before it is
 * deleted. A session that ended before its absolute deadline is also kept until then plus the history
 * window. That is longer than needed, but it takes no further index.
 */
const DELETE_ENDED_SESSIONS = {
  summary: "DELETE sessions",
  text: `
    DELETE FROM sessions WHERE id = ANY (ARRAY(
      SELECT id FROM sessions
      WHERE absolute_expires_at <= statement_timestamp() - $1 * interval '1 millisecond'
      ORDER BY absolute_expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING 1`,
};

const DELETE_PRE_LOGIN_SESSIONS = {
  summary: "DELETE sessions",
  text: `
    DELETE FROM sessions WHERE id = ANY (ARRAY(
      SELECT id FROM sessions WHERE pre_login AND absolute_expires_at <= statement_timestamp()
      ORDER BY absolute_expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING 1`,
};

const DELETE_SIGNING_KEYS = {
  summary: "DELETE signing_keys",
  text: `
    DELETE FROM signing_keys WHERE id = ANY (ARRAY(
      SELECT id FROM signing_keys
      WHERE retired_at <= statement_timestamp() - $1 * interval '1 millisecond'
        AND NOT EXISTS (SELECT FROM sessions WHERE sessions.signing_key_id = signing_keys.id)
      ORDER BY retired_at LIMIT $2))
    RETURNING 1`,
};

const DELETE_TOKEN_KEYS = {
  summary: "DELETE token_keys",
  text: `
    DELETE FROM token_keys WHERE id = ANY (ARRAY(
      SELECT id FROM token_keys
      WHERE published_until <= statement_timestamp() - $1 * interval '1 millisecond'
      ORDER BY published_until LIMIT $2))
    RETURNING 1`,
};

/** Ids grow with time, so finding the oldest events needs no index on the time. */
const DELETE_AUDIT_EVENTS = {
  summary: "DELETE audit_events",
  text: `
    DELETE FROM audit_events WHERE id = ANY (ARRAY(
      SELECT id FROM (SELECT id, occurred_at FROM audit_events ORDER BY id LIMIT $2) oldest
      WHERE occurred_at <= statement_timestamp() - $1 * interval '1 millisecond'))
    RETURNING 1`,
};

/** Deletes what is past its time from all tables. */
export function createSweepStore(database: Database): SweepStore {
  const count = async (statement: Statement, values: readonly unknown[], context: CallContext) =>
    (await database.query(statement, values, context.signal, management(context))).length;
  let isSweeping = false;
  return {
    /**
     * The lock belongs to a separate transaction on its own connection, while `work` commits each
     * batch on other connections. So it also works through PgBouncer, and is released when the
     * connection ends. It belongs to no bulkhead of changes, because it is idle meanwhile, and must
     * not wait for the deletions that wait for it.
     */
    async withSweepLock(work, { signal }) {
      // Another one of this process costs no connection.
      if (isSweeping) return undefined;
      isSweeping = true;
      try {
        return await database.transaction(signal, async (run) => {
          const [row] = await run(LOCK_SWEEP, [SWEEP_LOCK]);
          return row?.locked === true ? await work() : undefined;
        });
      } finally {
        isSweeping = false;
      }
    },
    deleteEndedSessions: (historyMs, limit, context) =>
      count(DELETE_ENDED_SESSIONS, [historyMs, limit], context),
    deletePreLoginSessions: (limit, context) => count(DELETE_PRE_LOGIN_SESSIONS, [limit], context),
    deleteSigningKeys: (retentionMs, limit, context) =>
      count(DELETE_SIGNING_KEYS, [retentionMs, limit], context),
    deleteTokenKeys: (retentionMs, limit, context) =>
      count(DELETE_TOKEN_KEYS, [retentionMs, limit], context),
    deleteAuditEvents: (retentionMs, limit, context) =>
      count(DELETE_AUDIT_EVENTS, [retentionMs, limit], context),
  };
}
