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
    yield* checkAcceptances(session);
    for (const use of session.uses) yield* checkDenial(history, session, use);
  }
}

function* checkAcceptances(session: SessionHistory): Iterable<Violation> {
  const [known] = knownEnds(session).sort((a, b) => a.endedAt - b.endedAt);
  if (known === undefined) return;
  for (const use of session.uses.filter(isAcknowledged)) {
    if (!isBefore(known, use)) continue;
    yield violation(
      `${use.kind} accepted after the session was revoked`,
      `${session.id} was known to be revoked before the call began`,
      known,
      use,
    );
  }
}

/** The calls after which it is known that the session was revoked. */
function knownEnds({ id, create, revokes, revokeAlls, replacements, uses }: SessionHistory) {
  const ends: Operation[] = revokes.filter(isAcknowledged);
  ends.push(...revokeAlls.filter((all) => isAcknowledged(all) && isBefore(create, all)));
  ends.push(
    ...replacements.filter(
      (other) => isAcknowledged(other) && other.result.replacedSessionId === id,
    ),
  );
  ends.push(...uses.filter(({ reason }) => reason === "REVOKED"));
  return ends;
}

function* checkDenial(history: History, session: SessionHistory, use: Use): Iterable<Violation> {
  const { create, revokes, revokeAlls, replacements, row } = session;
  if (NEVER.has(use.reason)) {
    const { absoluteExpiresAt } = create.result;
    const deadline = absoluteExpiresAt - history.final.clockOffset.max;
    if (history.isSwept && use.endedAt >= deadline) return;
    yield violation("genuine cookie denied", `${use.reason} for ${session.id}`, create, use);
  }
  if (use.reason !== "REVOKED") return;
  const ends: Operation[] = [...revokes, ...revokeAlls, ...replacements];
  if (!ends.some((end) => mayPrecede(end, use))) {
    yield violation("live session denied", `nobody has revoked ${session.id} by then`, create, use);
  }
  if (row !== undefined && row.revokedAt === undefined) {
    yield violation("revocation undone", `${session.id} was denied, and is not revoked`, use);
  }
}
