import type { Reason } from "../../src/session/errors.ts";

/**
 * The message of each reason, as callers may have come to compare it; on purpose not the code's own
 * table. INVALID_REQUEST has this one only where it names no field.
 */
export const sentinelMessages: Record<Reason, string> = {
  INVALID_COOKIE: "the session cookie is missing or not valid",
  EXPIRED_IDLE: "the session expired after too long without activity",
  EXPIRED_ABSOLUTE: "the session reached its absolute timeout",
  REVOKED: "the session was revoked",
  SIGNING_KEY_NOT_FOUND: "the session cookie names a signing key that does not exist",
  SIGNING_KEY_RETIRED: "the session cookie's signing key is past its retention",
  IP_MISMATCH: "the session is bound to another IP address",
  USER_AGENT_MISMATCH: "the session is bound to another user agent",
  PRE_LOGIN_NOT_ACCEPTED: "a pre-login session is not accepted here",
  CSRF_MISSING: "the CSRF token is missing",
  CSRF_MISMATCH: "the CSRF token does not belong to the session",
  SESSION_NOT_FOUND: "no session has this id",
  INVALID_REQUEST: "the request is not valid",
  SESSION_LIMIT_REACHED: "the actor has as many live sessions as are allowed",
  CALLER_UNAUTHENTICATED: "the calling service did not prove who it is",
  CALLER_FORBIDDEN: "the calling service may not make this call",
  STORAGE_UNAVAILABLE: "the session storage is unavailable; retry later",
  OVERLOADED: "too many calls are waiting; retry later",
  INITIAL_SIGNING_KEY_MINT_FAILED: "the first signing key could not be made",
  REQUEST_TOO_LARGE: "the request is larger than the server accepts",
  STEP_UP_REQUIRED: "the user must authenticate again or more strongly",
  METADATA_ETAG_MISMATCH: "the metadata has been changed since it was read",
  CALLER_KEYS_UNAVAILABLE:
    "the keys that verify the calling service's token are unavailable; retry later",
  ACTOR_TYPE_NOT_ACCEPTED: "the session's actor is of a type that is not accepted here",
};
