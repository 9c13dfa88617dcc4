import type { TenantId } from "./ids.ts";

/** The message for each reason. Messages are stable: callers may show them, and tests compare them. */
const messages = {
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
} as const satisfies Record<string, string>;

/** All reasons why sessiond denies or fails a call, with the names that are used on the wire. */
export type Reason = keyof typeof messages;

/** A field of a request that is wrong. */
export interface FieldViolation {
  /** The field's path, such as `actor.actor_id`. */
  readonly field: string;
  /** A sentence that begins with the path and says what would be right, without the value. */
  readonly description: string;
}

export interface SessionErrorOptions {
  readonly message?: string;
  readonly violations?: readonly FieldViolation[];
  readonly tenantId?: TenantId;
  readonly audited?: boolean;
  readonly cause?: unknown;
}

/**
 * A failure that sessiond itself reports. Its message is stable and safe to send: it never contains a
 * credential, SQL or a message of the driver. Those can be in `cause`, which is only logged.
 *
 * Always create a new object: a shared one would send the details of one call to another caller.
 */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly reason: Reason;
  /** The wrong fields of the request, the one that the message names first; only with INVALID_REQUEST. */
  readonly violations: readonly FieldViolation[];
  /** The tenant of the session that was denied; for the log. */
  readonly tenantId: TenantId | undefined;
  /** Whether the audit has this denial, or counts it as a repetition. */
  readonly audited: boolean;

  constructor(reason: Reason, options: SessionErrorOptions = {}) {
    super(options.message ?? messages[reason], { cause: options.cause });
    this.reason = reason;
    this.violations = options.violations ?? [];
    this.tenantId = options.tenantId;
    this.audited = options.audited ?? false;
  }
}

/** The error for one or more wrong fields. Its message has the first one and counts the others. */
export function invalidFields(
  violations: readonly [FieldViolation, ...FieldViolation[]],
): SessionError {
  const [{ description }, ...others] = violations;
  const also =
    others.length === 1
      ? "1 other field is also wrong"
      : `${others.length} other fields are also wrong`;
  const message = others.length === 0 ? description : `${description} (${also})`;
  return new SessionError("INVALID_REQUEST", { message, violations });
}

/**
 * The signing key that a call needs cannot be decrypted. An outage for the caller, although the
 * database answers.
 */
export class UnreadableKeyError extends SessionError {
  constructor() {
    super("STORAGE_UNAVAILABLE");
  }
}

/**
 * The error for one wrong field, where that shows only after the fields have been parsed.
 *
 * @param field its path, such as `actor.actor_id`
 * @param expected completes the sentence that begins with the field, such as `must be ...`
 */
export function invalidRequest(field: string, expected: string): SessionError {
  return invalidFields([{ field, description: `${field} ${expected}` }]);
}
