import type { CallContext } from "../../session/call-context.ts";
import type { SessionLimit } from "../../session/policy.ts";
import type { CreateOutcome } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import type { Database, Row, Run } from "../pg/database.ts";
import { NOW } from "../pg/sql.ts";
import { actorValues, LOCK_ACTOR } from "./actor-lock.ts";
import { actorKey } from "./change-keys.ts";
import { type Create, createWithin, replacedWasRotated } from "./create-sessions.ts";
import { SESSION_COLUMNS, sessionOf } from "./session-columns.ts";
import { LIVE } from "./session-conditions.ts";

const COUNT_LIVE = {
  name: "count_live",
  summary: "SELECT sessions",
  text: `
    SELECT count(*)::integer AS count,
      (SELECT rotated_to FROM sessions WHERE id = $4 AND tenant_id = $1) AS successor_id
    FROM sessions
    WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3 AND NOT pre_login AND id <> $4
      AND ${LIVE}`,
};

/** As many as fit into the trailers of a gRPC response, whose clients accept 8 KiB. */
const MAX_COMPETING = 10;

const OLDEST_LIVE = {
  name: "oldest_live",
  summary: "SELECT sessions",
  text: `
    SELECT ${SESSION_COLUMNS} FROM sessions
    WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3 AND NOT pre_login AND id <> $4
      AND ${LIVE}
    ORDER BY created_at, id LIMIT ${MAX_COMPETING}`,
};

/**
 * Ends the sessions that are beyond the limit, without locking them first: a SELECT with a LIMIT that
 * waited for the lock of a session, and found it ended, would take the next one instead, although that
 * is within the limit.
 */
const EVICT_OLDEST = {
  name: "evict_oldest",
  summary: "UPDATE sessions INSERT audit_events",
  text: `
    WITH excess AS (
      SELECT id FROM sessions
      WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3 AND NOT pre_login AND id <> $4
        AND ${LIVE}
      ORDER BY created_at DESC, id DESC OFFSET $5
    ), evicted AS (
      UPDATE sessions SET revoked_at = ${NOW}, revoke_reason = 'session_limit', revoked_by = $3
      FROM excess WHERE sessions.id = excess.id AND ${LIVE}
      RETURNING sessions.id
    )
    INSERT INTO audit_events (${AUDIT_COLUMNS})
    SELECT ${NOW}, 'auth', 'auth.session_revoked', $3, $6, $1, 'session', id,
      '{"reason": "session_limit"}'
    FROM evicted`,
};

/**
 * Creates a session if the number of an actor's live sessions is limited. Each Create has its own
 * transaction: in a batch, it would also wait for the locks on the actors of the other items.
 */
export function createWithinLimit(
  database: Database,
  create: Create,
  { maxPerActor, policy }: SessionLimit,
  context: CallContext,
): Promise<CreateOutcome> {
  const { session, callingService } = create;
  const actor = actorValues(session);
  return database.lockingTransaction(context, actorKey(session), async (run) => {
    await run(LOCK_ACTOR, actor);
    // Until the commit, no other Create can change the number of sessions, and no rotation can replace
    // one that is counted.
    if (policy === "reject") {
      const rejected = await rejectionOf(run, create, maxPerActor);
      if (rejected !== undefined) return rejected;
    }
    const outcome = await createWithin(run, create);
    if (policy === "evict_oldest" && outcome.kind === "created") {
      await run(EVICT_OLDEST, [...actor, session.id, maxPerActor - 1, callingService]);
    }
    return outcome;
  });
}

/** Why the session must not be stored. Undefined if it may. */
async function rejectionOf(
  run: Run,
  { session, replaces }: Create,
  limit: number,
): Promise<CreateOutcome | undefined> {
  // Without the session that will be replaced, or its successor.
  const others = [...actorValues(session), replaces ?? ""];
  const [row] = (await run(COUNT_LIVE, others)) as readonly [Row];
  if (row.successor_id !== null) return replacedWasRotated(row.successor_id);
  const total = row.count as number;
  if (total < limit) return undefined;
  const oldest = (await run(OLDEST_LIVE, others)).map(sessionOf);
  return { kind: "limit_reached", limit, total, oldest };
}
