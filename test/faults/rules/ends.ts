import type { Operation, Violation } from "../history.ts";
import {
  type History,
  isAcknowledged,
  isBefore,
  mayPrecede,
  type SessionHistory,
  type Use,
  violation,
} from "./indexed-history.ts";

/** Denials that a genuine cookie of a session that is still stored never gets. */
const NEVER = new Set([
  "INVALID_COOKIE",
  "SESSION_NOT_FOUND",
  "SIGNING_KEY_NOT_FOUND",
  "SIGNING_KEY_RETIRED",
]);

/**
 * Once a session is known to have been revoked, because somebody was told so, no call that begins
 * later is accepted. Before anybody tried to revoke it, no call is denied.
 */
export function* checkEnds(history: History): Iterable<Violation> {
  for (const session of history.sessions.values()) {
    yield* checkAcceptances(history, session);
    for (const use of session.uses) yield* checkDenial(history, session, use);
  }
}

function* checkAcceptances(history: History, session: SessionHistory): Iterable<Violation> {
  const ends = knownEnds(history, session).sort((a, b) => a.endedAt - b.endedAt);
  for (const use of session.uses.filter(isAcknowledged)) {
    // The rotation that has ended the session has itself been accepted.
    const known = ends.find((end) => isBefore(end, use));
    if (known === undefined) continue;
    yield violation(
      `${use.kind} accepted after the session was revoked`,
      `${session.id} was known to be revoked before the call began`,
      known,
      use,
    );
  }
}

/** The calls after which it is known that the session was revoked. */
function knownEnds(history: History, session: SessionHistory): Operation[] {
  const { id, create, revokeAlls, uses } = session;
  const ends: Operation[] = [...session.ends];
  ends.push(...revokeAlls.filter((all) => isAcknowledged(all) && isBefore(create, all)));
  ends.push(...rotationsOf(history, id).filter(isAcknowledged));
  ends.push(...uses.filter(({ reason }) => reason === "REVOKED"));
  return ends;
}

function rotationsOf({ rotations }: History, id: string): Operation[] {
  return rotations.of(id).flatMap(({ operation }) => operation ?? []);
}

function* checkDenial(history: History, session: SessionHistory, use: Use): Iterable<Violation> {
  const { origin, row } = session;
  if (NEVER.has(use.reason)) {
    const { absoluteExpiresAt } = origin.result;
    const deadline = absoluteExpiresAt - history.final.clockOffset.max;
    if (history.isSwept && use.endedAt >= deadline) return;
    yield violation("genuine cookie denied", `${use.reason} for ${session.id}`, origin, use);
  }
  if (use.reason !== "REVOKED") return;
  if (!allPossibleEnds(history, session).some((end) => mayPrecede(end, use))) {
    yield violation("live session denied", `nobody has revoked ${session.id} by then`, origin, use);
  }
  if (row !== undefined && row.revokedAt === undefined) {
    yield violation("revocation undone", `${session.id} was denied, and is not revoked`, use);
  }
  yield* checkGrace(history, session, use);
}

/** The calls that may have revoked the session. */
function allPossibleEnds(history: History, session: SessionHistory): Operation[] {
  const { id, possibleEnds, possibleRevokeAlls, evictions } = session;
  return [...possibleEnds, ...possibleRevokeAlls, ...evictions, ...rotationsOf(history, id)];
}

/** As long as the grace lasts, the old cookie is accepted for a successor that is live. */
function* checkGrace(history: History, { id }: SessionHistory, use: Use): Iterable<Violation> {
  // Of two rotations, one must win.
  if (use.kind === "rotate_session") return;
  for (const { successorId, operation, graceEndsAt } of history.rotations.of(id)) {
    const successor = history.sessions.get(successorId);
    if (successor === undefined || operation === undefined) continue;
    if (!isBefore(operation, use) || use.endedAt >= graceEndsAt.earliest) continue;
    if (allPossibleEnds(history, successor).some((end) => mayPrecede(end, use))) continue;
    const text = `nobody has revoked its successor ${successorId} by then`;
    yield violation("old cookie denied within its grace", text, operation, use);
  }
}
