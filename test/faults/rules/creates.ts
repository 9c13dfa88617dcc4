import type { Violation } from "../history.ts";
import { type History, isAcknowledged, violation } from "./indexed-history.ts";
import { SESSION_ROTATED } from "./rotations.ts";

const CREATED = "auth.session_created";
const OPENED = [CREATED, SESSION_ROTATED];

/** Each acknowledged Create left one session and one audit event; others left both or neither. */
export function* checkCreates(history: History): Iterable<Violation> {
  const creates = history.ofKind("create");
  const created = history.final.sessions.filter(({ id }) => !history.rotations.isSuccessor(id));
  const byOperation = Map.groupBy(created, ({ createdBy }) => createdBy);
  for (const create of creates) {
    const rows = byOperation.get(create.id) ?? [];
    if (rows.length > 1) {
      yield violation("Create done twice", `it left ${rows.length} sessions`, create);
    }
    if (create.outcome === "failed" && rows.length > 0) {
      yield violation("refused Create done", "it failed, but left a session", create);
    }
    if (!isAcknowledged(create)) continue;
    const { sessionId, absoluteExpiresAt } = create.result;
    if (!history.rows.has(sessionId) && !history.mayBeSwept(absoluteExpiresAt)) {
      yield violation("acknowledged Create lost", `there is no session ${sessionId}`, create);
    }
    const audited = history.auditOf(CREATED, sessionId).length;
    if (audited !== 1) {
      yield violation("audit of Create", `${audited} events of ${sessionId} instead of 1`, create);
    }
  }
  yield* checkRows(history, new Set(creates.map(({ id }) => id)));
}

/**
 * Each session was created or rotated into by a call of the history, and audited once; each event has
 * its session.
 */
function* checkRows(history: History, creates: ReadonlySet<string>): Iterable<Violation> {
  for (const { id, createdBy } of history.final.sessions) {
    if (!creates.has(createdBy)) {
      yield violation("session out of nowhere", `nobody has created ${id} (${createdBy})`);
    }
    const audited = OPENED.flatMap((action) => history.auditOf(action, id)).length;
    if (audited !== 1) {
      yield violation("audit of Create", `${audited} events of ${id} instead of 1`);
    }
  }
  for (const { action, resourceId } of history.final.audit) {
    if (!OPENED.includes(action) || history.rows.has(resourceId)) continue;
    if (history.sessions.has(resourceId) || history.isSwept) continue;
    yield violation("audit without a session", `${resourceId} was audited, but is not there`);
  }
}
