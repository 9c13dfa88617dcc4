import type { CallContext } from "../../session/call-context.ts";
import type { SessionLimit } from "../../session/policy.ts";
import type { CreateOutcome } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import type { Database } from "../pg/database.ts";
import { NOW } from "../pg/sql.ts";
import { actorValues, LOCK_ACTOR } from "./actor-lock.ts";
import { actorKey } from "./change-keys.ts";
import { type Create, createWithin, replacedWasRotated } from "./create-sessions.ts";
import { SESSION_COLUMNS, sessionOf } from "./session-columns.ts";
import { LIVE } from "./session-conditions.ts";

const COUNT_LIVE = {
  name: "count_live",
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
  text: `
    SELECT ${SESSION_COLUMNS} FROM sessions
    WHERE tenant_id = $1 AND actor_type = $2 AND actor_id = $3 AND NOT pre_login AND id <> $4
      AND ${LIVE}
    ORDER BY created_at, id LIMIT ${MAX_COMPETING}`,
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
 * Creates a session if the number of an actor's live sessions is limited. Each Create has its own
 * transaction: in a batch, it would also wait for the locks on the actors of the other items.
 */
export function createWithinLimit(
  database: Database,
  create: Create,
  { maxPerActor, policy }: SessionLimit,
  context: CallContext,
): Promise<CreateOutcome> {
  const { session, replaces, callingService } = create;
  const actor = actorValues(session);
  return database.lockingTransaction(context, actorKey(session), async (run) => {
    await run(LOCK_ACTOR, actor);
    // Without the session that will be replaced, or its successor. Until the commit, no other Create
    // can change the count, and no rotation can replace a session that is counted.
    const others = [...actor, replaces ?? ""];
    const [row] = await run(COUNT_LIVE, others);
    const { count: total, successor_id: successorId } = row as {
      count: number;
      successor_id: unknown;
    };
    if (successorId !== null) return replacedWasRotated(successorId);
    const excess = total + 1 - maxPerActor;
    if (excess > 0 && policy === "reject") {
      const oldest = (await run(OLDEST_LIVE, others)).map(sessionOf);
      return { kind: "limit_reached", limit: maxPerActor, total, oldest };
    }
    const outcome = await createWithin(run, create);
    if (excess > 0 && outcome.kind === "created") {
      await run(EVICT_OLDEST, [...actor, session.id, excess, callingService]);
    }
    return outcome;
  });
}
