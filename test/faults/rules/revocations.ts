import type {
  Operation,
  RevokeAllOperation,
  RevokeOperation,
  SessionRecord,
  Violation,
} from "../history.ts";
import {
  type Acknowledged,
  type End,
  type History,
  isAcknowledged,
  isBefore,
  violation,
} from "./indexed-history.ts";

const REVOKED = "auth.session_revoked";
const ALL_REVOKED = "auth.sessions_revoked_for_actor";

/** Each revocation was done once, by one call, and audited; what was acknowledged is not lost. */
export function* checkRevocations(history: History): Iterable<Violation> {
  for (const row of history.final.sessions) yield* checkRow(history, row);
  for (const revoke of history.ofKind("revoke")) yield* checkRevoke(history, revoke);
  for (const revokeAll of history.ofKind("revoke_all")) yield* checkRevokeAll(history, revokeAll);
  yield* checkReplacements(history);
}

function* checkRow(history: History, row: SessionRecord): Iterable<Violation> {
  const events = history.auditOf(REVOKED, row.id);
  const expected = row.revokedAt === undefined ? 0 : 1;
  if (events.length !== expected) {
    const text = `${events.length} events of ${row.id} instead of ${expected}`;
    yield violation("audit of Revoke", text);
  }
  for (const { actingActorId, details } of events) {
    if (actingActorId === row.revokedBy && details.reason === row.revokeReason) continue;
    const text = `${row.id} was revoked by ${row.revokedBy}, and the audit names ${actingActorId}`;
    yield violation("audit of Revoke", text);
  }
}

function* checkRevoke(history: History, revoke: RevokeOperation): Iterable<Violation> {
  const audited = history.auditedBy(REVOKED, revoke.id).length;
  yield* checkAudit(revoke, audited, isAcknowledged(revoke) && revoke.result.revoked ? 1 : 0);
  if (isAcknowledged(revoke)) yield* checkEnded(history, revoke, "acknowledged Revoke lost");
}

/** None of the sessions that the call must have ended is live. */
function* checkEnded(history: History, end: Acknowledged<End>, rule: string): Iterable<Violation> {
  for (const id of history.endedBy(end)) {
    const row = history.rows.get(id);
    if (row !== undefined && history.isLive(row)) yield violation(rule, `${id} is live`, end);
  }
}

function* checkRevokeAll(history: History, revokeAll: RevokeAllOperation): Iterable<Violation> {
  const summaries = history.auditedBy(ALL_REVOKED, revokeAll.id);
  const count = history.auditedBy(REVOKED, revokeAll.id).length;
  yield* checkAudit(revokeAll, summaries.length, isAcknowledged(revokeAll) ? 1 : 0);
  const counted = summaries.reduce((sum, { details }) => sum + Number(details.count), 0);
  if (count !== counted) {
    const text = `the audit counts ${counted} sessions, and ${count} have been revoked`;
    yield violation("RevokeAllForActor half done", text, revokeAll);
  }
  if (!isAcknowledged(revokeAll)) return;
  if (!revokeAll.retries && count !== revokeAll.result.count) {
    const text = `it answered ${revokeAll.result.count}, and ${count} have been revoked`;
    yield violation("RevokeAllForActor half done", text, revokeAll);
  }
  for (const { create, row, revokeAlls } of history.sessions.values()) {
    if (!revokeAlls.includes(revokeAll) || !isBefore(create, revokeAll)) continue;
    if (row === undefined || row.revokedAt !== undefined) continue;
    yield violation("acknowledged RevokeAllForActor lost", `${row.id} is live`, revokeAll, create);
  }
  const kept = history.rows.get(revokeAll.keep ?? "");
  if (kept?.revokedBy === revokeAll.id) {
    yield violation("kept session revoked", `${kept.id} was to be kept`, revokeAll);
  }
}

/**
 * @param acknowledged the number of events of an acknowledged call. A refused one has none, and one
 * whose outcome is unknown has at most one
 */
export function* checkAudit(
  operation: Operation,
  audited: number,
  acknowledged: number,
): Iterable<Violation> {
  if (operation.outcome === "unknown" || operation.retries) {
    if (audited <= 1 || operation.kind === "revoke_all") return;
  } else if (audited === (operation.outcome === "acknowledged" ? acknowledged : 0)) return;
  yield violation(`audit of ${operation.kind}`, `it has ${audited} audit events`, operation);
}

/** A session was replaced if and only if its successor was created. */
function* checkReplacements(history: History): Iterable<Violation> {
  const replacedBy = new Map<string, string>();
  for (const { action, resourceId, details } of history.final.audit) {
    if (action === REVOKED && details.replaced_by !== undefined) {
      replacedBy.set(resourceId, details.replaced_by);
    }
  }
  for (const [id, successor] of replacedBy) {
    if (history.rows.has(successor) || history.isSwept) continue;
    yield violation("Create half done", `${id} was replaced by ${successor}, which is not there`);
  }
  for (const create of history.ofKind("create").filter(isAcknowledged)) {
    yield* checkEnded(history, create, "acknowledged replacement lost");
    const { replacedSessionId, sessionId } = create.result;
    if (replacedSessionId === "") continue;
    if (replacedBy.get(replacedSessionId) === sessionId) continue;
    yield violation("Create half done", `${replacedSessionId} was not replaced`, create);
  }
}
