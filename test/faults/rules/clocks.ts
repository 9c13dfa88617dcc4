import type { TouchOperation, Violation } from "../history.ts";
import {
  type Acknowledged,
  type History,
  isAcknowledged,
  isBefore,
  mayPrecede,
  type SessionHistory,
  type Use,
  violation,
} from "./indexed-history.ts";

type Touch = Acknowledged<TouchOperation>;

/** Timestamps have this resolution. */
const RESOLUTION_MS = 1;

/**
 * Only the database's clock counts: times in responses are within their calls, no session is accepted
 * at or past a deadline or denied before it, the absolute deadline never moves, and no touch is lost.
 */
export function* checkClocks(history: History): Iterable<Violation> {
  for (const session of history.sessions.values()) {
    const { origin } = session;
    const { result } = origin;
    yield* checkWithin(
      history,
      origin,
      "createdAt" in result ? result.createdAt : result.lastSeenAt,
    );
    const touches = session.uses.filter(
      (use): use is Touch => use.kind === "touch" && isAcknowledged(use) && use.result.touched,
    );
    for (const touch of touches) yield* checkTouch(history, session, touch);
    for (const use of session.uses) {
      yield* checkAcceptance(history, session, use);
      yield* checkExpiry(history, session, touches, use);
    }
  }
}

/** When a call began and ended, by the database's clock: as early and as late as can be. */
function times({ final }: History, { invokedAt, endedAt }: { invokedAt: number; endedAt: number }) {
  const { min, max } = final.clockOffset;
  return { earliest: invokedAt + min - RESOLUTION_MS, latest: endedAt + max };
}

function* checkWithin(
  history: History,
  operation: SessionHistory["origin"] | Touch,
  instant: number,
): Iterable<Violation> {
  const { earliest, latest } = times(history, operation);
  if (instant >= earliest && instant <= latest) return;
  const text = `${instant} is not between ${earliest} and ${latest}, the times of the call`;
  yield violation("another clock than the database's", text, operation);
}

function* checkTouch(history: History, { row }: SessionHistory, touch: Touch): Iterable<Violation> {
  yield* checkWithin(history, touch, touch.result.lastSeenAt);
  if (row === undefined || row.lastSeenAt >= touch.result.lastSeenAt) return;
  yield violation("acknowledged Touch lost", `${row.id} was last seen earlier`, touch);
}

function* checkAcceptance(
  history: History,
  { origin }: SessionHistory,
  use: Use,
): Iterable<Violation> {
  if (use.kind === "rotate_csrf" || !isAcknowledged(use)) return;
  const { absoluteExpiresAt, idleExpiresAt } = use.result;
  if (absoluteExpiresAt !== origin.result.absoluteExpiresAt) {
    yield violation("absolute deadline moved", `to ${absoluteExpiresAt}`, origin, use);
  }
  const { earliest } = times(history, use);
  if (earliest <= Math.min(absoluteExpiresAt, idleExpiresAt)) return;
  yield violation("expired session accepted", "the deadline had passed before the call", use);
}

function* checkExpiry(
  history: History,
  session: SessionHistory,
  touches: readonly Touch[],
  use: Use,
): Iterable<Violation> {
  const { origin, uses } = session;
  const { absoluteExpiresAt, lastSeenAt, idleExpiresAt } = origin.result;
  const { earliest, latest } = times(history, use);
  if (use.reason === "EXPIRED_ABSOLUTE" && latest < absoluteExpiresAt) {
    yield violation("session expired early", "its absolute deadline was ahead", origin, use);
  }
  const idleMs = idleExpiresAt - lastSeenAt;
  const idleDeadline = (candidates: readonly Touch[]) =>
    Math.max(lastSeenAt, ...candidates.map(({ result }) => result.lastSeenAt)) + idleMs;
  if (use.reason === "EXPIRED_IDLE") {
    const deadline = idleDeadline(touches.filter((touch) => isBefore(touch, use)));
    if (latest >= deadline) return;
    yield violation("session expired early", "its idle deadline was ahead", origin, use);
  }
  if (use.kind !== "touch" || !isAcknowledged(use)) return;
  // A touch that nobody knows the outcome of may have moved the deadline.
  const others = uses.filter((other) => other.kind === "touch" && other !== use);
  if (others.some((other) => other.outcome === "unknown" && mayPrecede(other, use))) return;
  const deadline = idleDeadline(touches.filter((touch) => touch !== use && mayPrecede(touch, use)));
  if (earliest <= deadline) return;
  yield violation("expired session revived", "its idle deadline had passed", origin, use);
}
