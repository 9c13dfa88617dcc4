import type { Operation, Violation } from "../history.ts";
import { type History, violation } from "./indexed-history.ts";
import type { Rotation } from "./rotations.ts";

/** What clients may see beside success: an outage, an overload, their own deadline, and denials. */
const EXPECTED_CODES = new Set([
  "OK",
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "RESOURCE_EXHAUSTED",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
]);

function isExpected({ code, reason }: Operation): boolean {
  return EXPECTED_CODES.has(code) || reason === "METADATA_ETAG_MISMATCH";
}

/**
 * Every response has an expected code, and is about the session that the request named: that of its
 * cookie, or the successor of that as long as the grace of each rotation between them lasts.
 */
export function* checkResponses(history: History): Iterable<Violation> {
  for (const operation of history.operations) {
    if (!isExpected(operation)) {
      yield violation("unexpected code", `no fault explains ${operation.code}`, operation);
    }
    if (operation.kind === "create" || !("sessionId" in operation)) continue;
    const returned = operation.result?.sessionId;
    if (returned === undefined || returned === operation.sessionId) continue;
    const { rotations } = history;
    const isSuccessor = (holds: (rotation: Rotation) => boolean) =>
      rotations.reachable(operation.sessionId, holds).includes(returned);
    if (!isSuccessor(() => true)) {
      yield violation("response of another session", `it is about ${returned}`, operation);
    } else if (operation.kind === "revoke") {
      // It ends a successor that has come into being in the meantime, with a grace or without.
    } else if (!isSuccessor(({ graceMs }) => graceMs > 0)) {
      const text = `it was accepted for ${returned}, and its rotation had no grace`;
      yield violation("old cookie accepted without a grace", text, operation);
    } else if (!isSuccessor(({ graceEndsAt }) => operation.invokedAt <= graceEndsAt.latest)) {
      const text = `it was accepted for ${returned}`;
      yield violation("old cookie accepted after its grace", text, operation);
    }
  }
}
