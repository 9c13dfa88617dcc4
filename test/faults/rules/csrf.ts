import type {
  CreateOperation,
  RotateCsrfOperation,
  RotateSessionOperation,
  Violation,
} from "../history.ts";
import {
  type History,
  isAcknowledged,
  isBefore,
  mayPrecede,
  type SessionHistory,
  violation,
} from "./indexed-history.ts";
import { checkAudit } from "./revocations.ts";

const ROTATED = "auth.session_csrf_rotated";

type Rotation = RotateCsrfOperation;
/** A call that may have set the session's CSRF token. */
type Write = CreateOperation | RotateSessionOperation | Rotation;

/** The CSRF token of a session is always that of the last rotation, and rotations are audited. */
export function* checkCsrf(history: History): Iterable<Violation> {
  for (const rotation of history.ofKind("rotate_csrf")) {
    const audited = history.auditedBy(ROTATED, rotation.id).length;
    yield* checkAudit(rotation, audited, 1);
  }
  for (const session of history.sessions.values()) {
    const rotations = session.uses.filter((use): use is Rotation => use.kind === "rotate_csrf");
    yield* checkFinalToken(history, session, rotations);
    yield* checkTokens(history, session, rotations);
  }
}

function hashOf(write: Write): string | undefined {
  return write.result?.csrfHash;
}

function* checkFinalToken(
  history: History,
  { origin, row }: SessionHistory,
  rotations: readonly Rotation[],
): Iterable<Violation> {
  if (row === undefined) return;
  // The audit tells of each rotation of unknown outcome whether it was done.
  const isDone = ({ id }: Rotation) =>
    history.auditedBy(ROTATED, id).some(({ resourceId }) => resourceId === row.id);
  const done = rotations.filter(isDone);
  const writes: Write[] = [origin, ...rotations.filter(isAcknowledged), ...done];
  // What is unknown may have been done after its call was over.
  const isOverwritten = (write: Write) =>
    isAcknowledged(write) && writes.some((other) => isBefore(write, other));
  const last = writes.filter((write) => !isOverwritten(write));
  if (last.some((write) => hashOf(write) === row.csrfHash)) return;
  // Nobody knows the token of a rotation whose answer was lost.
  const isKnown = writes.some((write) => hashOf(write) === row.csrfHash);
  if (!isKnown && last.some(({ outcome }) => outcome === "unknown")) return;
  const text = `the token of ${row.id} is not that of the last rotation`;
  yield violation("acknowledged RotateCsrf lost", text, ...last);
}

/** An old token is refused as soon as a rotation has been acknowledged, the current one never. */
function* checkTokens(
  { rotations: sessionRotations }: History,
  { id, origin, uses }: SessionHistory,
  rotations: readonly Rotation[],
): Iterable<Violation> {
  const writes: Write[] = [origin, ...rotations];
  // Once a session is rotated, its cookie keeps the token that the session had then.
  const ends = sessionRotations.of(id).flatMap(({ operation }) => operation ?? []);
  for (const use of uses) {
    if (use.kind !== "validate" || use.csrfHash === undefined || use.sessionId !== id) continue;
    const write = writes.find((candidate) => hashOf(candidate) === use.csrfHash);
    if (write === undefined) continue;
    const others = rotations.filter((rotation) => rotation !== write);
    if (use.outcome === "acknowledged") {
      const later = others.find(
        (other) => isAcknowledged(other) && isBefore(write, other) && isBefore(other, use),
      );
      if (later === undefined) continue;
      yield violation("old CSRF token accepted", "it had been replaced", write, later, use);
    } else if (use.reason === "CSRF_MISMATCH" && isBefore(write, use)) {
      const isReplaced = others.some((other) => mayPrecede(other, use) && !isOver(other, write));
      if (isReplaced || ends.some((end) => mayPrecede(end, use))) continue;
      yield violation("current CSRF token denied", "nobody has replaced it by then", write, use);
    }
  }
}

/** Whether the rotation was over before the other write began, with an outcome that is known. */
function isOver(rotation: Rotation, write: Write): boolean {
  return rotation.outcome === "acknowledged" && isBefore(rotation, write);
}
