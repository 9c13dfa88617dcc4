import type { SessionRecord, Violation } from "../history.ts";
import { type History, isAcknowledged, violation } from "./indexed-history.ts";
import { checkAudit } from "./revocations.ts";
import { type Rotation, SESSION_ROTATED } from "./rotations.ts";

/**
 * A session was rotated by one call, at most once, if and only if its successor exists; and of the
 * sessions of one login, at most one is live.
 */
export function* checkSessionRotations(history: History): Iterable<Violation> {
  for (const operation of history.ofKind("rotate_session")) {
    const audited = history.auditedBy(SESSION_ROTATED, operation.id).length;
    yield* checkAudit(operation, audited, 1);
    if (!isAcknowledged(operation)) continue;
    const { successorId, absoluteExpiresAt } = operation.result;
    if (history.rows.has(successorId) || history.mayBeSwept(absoluteExpiresAt)) continue;
    const text = `there is no session ${successorId}`;
    yield violation("acknowledged RotateSession lost", text, operation);
  }
  for (const rotation of history.rotations.all) yield* checkRotation(history, rotation);
  yield* checkRotatedRows(history);
  yield* checkLiveSuccessors(history);
}

function* checkRotation(history: History, rotation: Rotation): Iterable<Violation> {
  const { predecessorId, successorId, operation } = rotation;
  const operations = operation === undefined ? [] : [operation];
  const predecessor = history.rows.get(predecessorId);
  const successor = history.rows.get(successorId);
  if (predecessor !== undefined && predecessor.rotatedTo !== successorId) {
    const text = `${predecessorId} was not replaced by ${successorId}`;
    yield violation("RotateSession half done", text, ...operations);
  }
  if (predecessor === undefined || successor === undefined) return;
  if (predecessor.absoluteExpiresAt === successor.absoluteExpiresAt) return;
  const text = `that of ${successorId} is not that of ${predecessorId}`;
  yield violation("absolute deadline moved", text, ...operations);
}

/** Each row that was rotated has its successor, which was audited. */
function* checkRotatedRows(history: History): Iterable<Violation> {
  for (const { id, revokeReason, rotatedTo } of history.final.sessions) {
    if ((revokeReason === "rotated") !== (rotatedTo !== "")) {
      const text = `${id} was ended as "${revokeReason}", with the successor "${rotatedTo}"`;
      yield violation("RotateSession half done", text);
    }
    if (rotatedTo === "") continue;
    const events = history.auditOf(SESSION_ROTATED, rotatedTo);
    if (events.length === 1 && events[0]?.details.rotated_from === id) continue;
    const text = `${events.length} events of ${rotatedTo}, which has replaced ${id}`;
    yield violation("audit of RotateSession", text);
  }
}

function* checkLiveSuccessors(history: History): Iterable<Violation> {
  const live = history.final.sessions.filter((row) => history.isLive(row));
  for (const [login, rows] of Map.groupBy(live, ({ createdBy }) => createdBy)) {
    if (rows.length < 2 || !rows.some(({ id }) => history.rotations.isSuccessor(id))) continue;
    const ids = rows.map(({ id }: SessionRecord) => id).join(" and ");
    yield violation("two live successors", `${ids} are live, of the login ${login}`);
  }
}
