import type { SessionId } from "../../session/ids.ts";
import type { Actor } from "../../session/session.ts";

/** The keys of what changes lock: see Database.lockingTransaction. */

export function sessionKey(id: SessionId): string {
  return `session ${id}`;
}

export function actorKey({ tenantId, actorType, actorId }: Actor): string {
  return `actor ${JSON.stringify([tenantId, actorType, actorId])}`;
}
