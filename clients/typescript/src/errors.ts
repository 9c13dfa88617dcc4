import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../../gen/es/google/rpc/error_details_pb.ts";
import {
  ErrorDetailSchema,
  ErrorReason,
  ErrorReasonSchema,
  type SessionLimitDetail,
  SessionLimitDetailSchema,
} from "../../../gen/es/sessiond/v1/error_pb.ts";

/** A field of a request that is wrong. */
export interface FieldViolation {
  /** The field's path, such as `actor.actor_id`. */
  readonly field: string;
  /** What would be right. */
  readonly description: string;
}

interface SessionErrorFields {
  readonly code: Code;
  readonly reason?: ErrorReason;
  readonly reasonName?: string;
  readonly httpStatus?: number;
  readonly violations?: readonly FieldViolation[];
  readonly retryDelayMs?: number | undefined;
  readonly sessionLimit?: SessionLimitDetail | undefined;
  readonly cause?: unknown;
}

/** Failures that are the backend's own mistake: they must not look like the user's. */
const BACKEND_MISTAKES: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.CALLER_UNAUTHENTICATED,
  ErrorReason.CALLER_FORBIDDEN,
  ErrorReason.INVALID_REQUEST,
  ErrorReason.SESSION_NOT_FOUND,
]);

/**
 * A failed call. If sessiond itself refused it, it has a reason, and the message is sessiond's own.
 * Otherwise the call failed on its way, the reason is UNSPECIFIED, and the cause has the details.
 * The message is safe to show: it contains no addresses and no text of a driver.
 */
export class SessionError extends Error {
  override readonly name = "SessionError";
  /** The gRPC code. */
  readonly code: Code;
  /** Why sessiond refused the call; a number that this version does not know is kept. */
  readonly reason: ErrorReason;
  /** The reason's name, such as `REVOKED`; empty if there is none. */
  readonly reasonName: string;
  /** The HTTP status that sessiond suggests; 0 if the failure is not its own. */
  readonly httpStatus: number;
  /** The wrong fields of the request; only with INVALID_REQUEST. */
  readonly violations: readonly FieldViolation[];
  /** How long sessiond asks to wait before a retry, in milliseconds; undefined if it does not. */
  readonly retryDelayMs: number | undefined;
  /** The limit and the user's oldest sessions, to choose one to end; only with SESSION_LIMIT_REACHED. */
  readonly sessionLimit: SessionLimitDetail | undefined;

  /** Use `sessionError()` to make one from what a call has thrown. */
  constructor(message: string, fields: SessionErrorFields) {
    super(message, { cause: fields.cause });
    this.code = fields.code;
    this.reason = fields.reason ?? ErrorReason.UNSPECIFIED;
    this.reasonName = fields.reasonName ?? nameOf(this.reason);
    this.httpStatus = fields.httpStatus ?? 0;
    this.violations = fields.violations ?? [];
    this.retryDelayMs = fields.retryDelayMs;
    this.sessionLimit = fields.sessionLimit;
  }

  /**
   * The HTTP status for the browser: 401, 403 and the like only for what the user can change, 500
   * for a mistake of this backend, 503 for an outage. An outage never is a 401: it must not look like
   * a logout.
   */
  get browserStatus(): number {
    if (this.reason === ErrorReason.UNSPECIFIED) return 503;
    if (BACKEND_MISTAKES.has(this.reason)) return 500;
    return this.httpStatus >= 400 && this.httpStatus <= 599 ? this.httpStatus : 503;
  }

  /** `browserStatus`, by the name that the error handlers of express and Fastify read. */
  get statusCode(): number {
    return this.browserStatus;
  }

  /** The Retry-After header for the browser, in seconds; undefined unless the status is 429 or 503. */
  get retryAfterSeconds(): number | undefined {
    if (this.browserStatus !== 429 && this.browserStatus !== 503) return undefined;
    return Math.max(1, Math.ceil((this.retryDelayMs ?? 0) / 1000));
  }
}

/** The name in the contract, without its prefix; empty for UNSPECIFIED. */
function nameOf(reason: ErrorReason): string {
  if (reason === ErrorReason.UNSPECIFIED) return "";
  return ErrorReasonSchema.value[reason]?.localName ?? String(reason);
}

/** How long the failed call asks to wait before a retry, in milliseconds. */
export function retryInfoDelayMs(error: ConnectError): number | undefined {
  const [info] = error.findDetails(RetryInfoSchema);
  return info?.retryDelay && Math.max(0, durationMs(info.retryDelay));
}

/** The name of a code in gRPC's own spelling, such as `DEADLINE_EXCEEDED`. */
export function codeName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return (Code[code] ?? String(code)).replace(/(?<!^)(?=[A-Z])/g, "_").toUpperCase();
}

/**
 * The typed error of what a call has thrown.
 *
 * @param error a ConnectError or whatever else was thrown; a SessionError is returned as it is
 */
export function sessionError(error: unknown): SessionError {
  if (error instanceof SessionError) return error;
  const connectError = ConnectError.from(error);
  const { code, rawMessage } = connectError;
  const retryDelayMs = retryInfoDelayMs(connectError);
  const [detail] = connectError.findDetails(ErrorDetailSchema);
  if (detail === undefined) {
    const message = `the call to sessiond failed: ${codeName(code)}`;
    return new SessionError(message, { code, retryDelayMs, cause: error });
  }
  // The name of a reason that this version does not know is only there.
  const [info] = connectError.findDetails(ErrorInfoSchema);
  const { reason, httpStatus } = detail;
  const known = ErrorReasonSchema.value[reason] !== undefined;
  return new SessionError(rawMessage, {
    code,
    reason,
    ...(!known && info !== undefined && { reasonName: info.reason }),
    httpStatus,
    violations: connectError
      .findDetails(BadRequestSchema)
      .flatMap(({ fieldViolations }) => fieldViolations)
      .map(({ field, description }) => ({ field, description })),
    retryDelayMs,
    sessionLimit: connectError.findDetails(SessionLimitDetailSchema)[0],
    cause: error,
  });
}

/** The SessionError of a call that failed; undefined if something else was thrown. */
export function callFailure(thrown: unknown): SessionError | undefined {
  const isOfCall = thrown instanceof SessionError || thrown instanceof ConnectError;
  return isOfCall ? sessionError(thrown) : undefined;
}

/**
 * Whether sessiond itself refused the call, with one of these reasons; with any reason if none is
 * given. False for a call that failed on its way.
 */
export function isSessionError(error: unknown, ...reasons: readonly ErrorReason[]): boolean {
  const { reason } = sessionError(error);
  if (reasons.length > 0) return reasons.includes(reason);
  return reason !== ErrorReason.UNSPECIFIED;
}
