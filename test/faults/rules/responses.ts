import type { Violation } from "../history.ts";
import { type History, violation } from "./indexed-history.ts";

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

/** Every response has an expected code, and is about the session that the request named. */
export function* checkResponses({ operations }: History): Iterable<Violation> {
  for (const operation of operations) {
    if (!EXPECTED_CODES.has(operation.code)) {
      yield violation("unexpected code", `no fault explains ${operation.code}`, operation);
    }
    if (operation.kind === "create" || !("sessionId" in operation)) continue;
    const returned = operation.result?.sessionId;
    if (returned !== undefined && returned !== operation.sessionId) {
      yield violation("response of another session", `it is about ${returned}`, operation);
    }
  }
}
