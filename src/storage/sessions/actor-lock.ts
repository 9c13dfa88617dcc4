import type { Actor } from "../../session/session.ts";
import type { Statement } from "../pg/prepared-statements.ts";

const ACTOR_KEY = "hashtextextended(jsonb_build_array($1::text, $2::text, $3::text)::text, 0)";

/**
 * Locks an actor until the transaction ends, against other exclusive and shared locks. What is read
 * about the actor's sessions belongs into a later statement, so that it sees what the transactions
 * that held the lock have committed.
 */
export const LOCK_ACTOR: Statement = {
  name: "lock_actor",
  summary: "SELECT pg_advisory_xact_lock",
  text: `SELECT pg_advisory_xact_lock(${ACTOR_KEY})`,
};

/** Locks an actor against exclusive locks only. */
export const LOCK_ACTOR_SHARED: Statement = {
  name: "lock_actor_shared",
  summary: "SELECT pg_advisory_xact_lock_shared",
  text: `SELECT pg_advisory_xact_lock_shared(${ACTOR_KEY})`,
};

/** The values of both statements. */
export function actorValues({ tenantId, actorType, actorId }: Actor): readonly string[] {
  return [tenantId, actorType, actorId];
}
