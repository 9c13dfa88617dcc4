import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/es/google/rpc/error_details_pb.ts";
import {
  ErrorDetailSchema,
  ErrorReason,
  SessionLimitDetailSchema,
} from "../../gen/es/sessiond/v1/error_pb.ts";
import { type Reason, SessionError } from "../session/errors.ts";
import { SessionLimitError } from "../session/session-limit-error.ts";
import { sessionLimitDetail } from "./responses.ts";

/** `domain` in google.rpc.ErrorInfo. */
export const ERROR_DOMAIN = "sessiond.v1";

/** How long a caller should wait before it retries after an outage or an overload. */
const RETRY_DELAY_MS = 1000;

/** The same for the retry policies of gRPC's libraries, which do not read google.rpc.RetryInfo (gRFC A6). */
const RETRY_PUSHBACK = { "grpc-retry-pushback-ms": String(RETRY_DELAY_MS) };

interface WireError {
  readonly code: Code;
  readonly httpStatus: number;
  readonly retry?: true;
}

const UNAUTHENTICATED: WireError = { code: Code.Unauthenticated, httpStatus: 401 };
const FORBIDDEN: WireError = { code: Code.PermissionDenied, httpStatus: 403 };

const wireErrors: Record<Reason, WireError> = {
  INVALID_COOKIE: UNAUTHENTICATED,
  EXPIRED_IDLE: UNAUTHENTICATED,
  EXPIRED_ABSOLUTE: UNAUTHENTICATED,
  REVOKED: UNAUTHENTICATED,
  SIGNING_KEY_NOT_FOUND: UNAUTHENTICATED,
  SIGNING_KEY_RETIRED: UNAUTHENTICATED,
  IP_MISMATCH: UNAUTHENTICATED,
  USER_AGENT_MISMATCH: UNAUTHENTICATED,
  PRE_LOGIN_NOT_ACCEPTED: UNAUTHENTICATED,
  CSRF_MISSING: FORBIDDEN,
  CSRF_MISMATCH: FORBIDDEN,
  SESSION_NOT_FOUND: { code: Code.NotFound, httpStatus: 404 },
  INVALID_REQUEST: { code: Code.InvalidArgument, httpStatus: 400 },
  SESSION_LIMIT_REACHED: { code: Code.FailedPrecondition, httpStatus: 409 },
  CALLER_UNAUTHENTICATED: UNAUTHENTICATED,
  CALLER_FORBIDDEN: FORBIDDEN,
  STORAGE_UNAVAILABLE: { code: Code.Unavailable, httpStatus: 503, retry: true },
  OVERLOADED: { code: Code.ResourceExhausted, httpStatus: 429, retry: true },
  INITIAL_SIGNING_KEY_MINT_FAILED: { code: Code.Internal, httpStatus: 500 },
  // Not RESOURCE_EXHAUSTED, as gRPC libraries have it: callers retry that, and it would never succeed.
  REQUEST_TOO_LARGE: { code: Code.InvalidArgument, httpStatus: 413 },
  STEP_UP_REQUIRED: FORBIDDEN,
  METADATA_ETAG_MISMATCH: { code: Code.Aborted, httpStatus: 409 },
  CALLER_KEYS_UNAVAILABLE: { code: Code.Unavailable, httpStatus: 503, retry: true },
  ACTOR_TYPE_NOT_ACCEPTED: FORBIDDEN,
};

/**
 * Hides why a session is not accepted. CALLER_UNAUTHENTICATED stays: it is about the credentials of
 * the calling service.
 */
function toUniformError(error: SessionError): SessionError {
  const aboutSession =
    wireErrors[error.reason] === UNAUTHENTICATED && error.reason !== "CALLER_UNAUTHENTICATED";
  return aboutSession ? new SessionError("INVALID_COOKIE") : error;
}

/** The gRPC status of a session error, with its details. The error is its cause, which is not sent. */
export function sessionErrorToConnect(error: SessionError): ConnectError {
  const { reason, violations, message } = error;
  const { code, httpStatus, retry } = wireErrors[reason];
  const connectError = new ConnectError(
    message,
    code,
    retry ? RETRY_PUSHBACK : undefined,
    undefined,
    error,
  );
  connectError.details.push(
    {
      desc: ErrorDetailSchema,
      value: { reason: ErrorReason[reason], httpStatus, field: violations[0]?.field ?? "" },
    },
    { desc: ErrorInfoSchema, value: { reason, domain: ERROR_DOMAIN } },
  );
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
    connectError.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  if (error instanceof SessionLimitError) {
    connectError.details.push({
      desc: SessionLimitDetailSchema,
      value: sessionLimitDetail(error.limitReached),
    });
  }
  if (retry) {
    const retryDelay = durationFromMs(RETRY_DELAY_MS);
    connectError.details.push({
      desc: RetryInfoSchema,
      value: create(RetryInfoSchema, { retryDelay }),
    });
  }
  return connectError;
}

/** The error for a request that cannot be decoded: INVALID_REQUEST, as for any invalid request. */
export function decodeError(message: string, field?: string): ConnectError {
  const violations = field === undefined ? [] : [{ field, description: message }];
  return sessionErrorToConnect(new SessionError("INVALID_REQUEST", { message, violations }));
}

/** The settings of the limits that a request can be above; the number of headers has none. */
const settingOfLimit = {
  maxMessageBytes: "SESSIOND_MAX_MESSAGE_BYTES",
  maxHeaderBytes: "SESSIOND_MAX_HEADER_BYTES",
  maxHeaders: undefined,
} as const;

/**
 * The error for a request that is above a limit of the server: REQUEST_TOO_LARGE.
 *
 * @param exceeded says what is too large, and the limit's value
 */
export function tooLargeError(exceeded: string, limit: keyof typeof settingOfLimit): ConnectError {
  const setting = settingOfLimit[limit];
  const message = setting === undefined ? exceeded : `${exceeded} (${setting})`;
  return sessionErrorToConnect(new SessionError("REQUEST_TOO_LARGE", { message }));
}

const settingOfOrigins = {
  allowedHosts: "SESSIOND_ALLOWED_HOSTS",
  allowedOrigins: "SESSIOND_ALLOWED_ORIGINS",
} as const;

/** The error for a request of a web page that is not allowed: CALLER_FORBIDDEN. */
export function forbiddenError(why: string, option: keyof typeof settingOfOrigins): ConnectError {
  const message = `${why}, unless ${settingOfOrigins[option]} allows it`;
  return sessionErrorToConnect(new SessionError("CALLER_FORBIDDEN", { message }));
}

const settingOfStreams = {
  maxStreams: "SESSIOND_MAX_STREAMS",
  maxStreamsPerPeer: "SESSIOND_MAX_STREAMS_PER_PEER",
  maxStreamsPerConnection: "SESSIOND_MAX_STREAMS_PER_CONNECTION",
} as const;

/**
 * The error for a streaming call above a limit: OVERLOADED. It has no cause, so it is no part of an
 * overload in the log: the other calls are served.
 */
export function tooManyStreamsError(
  exceeded: string,
  limit: keyof typeof settingOfStreams,
): ConnectError {
  const message = `${exceeded} (${settingOfStreams[limit]})`;
  const error = sessionErrorToConnect(new SessionError("OVERLOADED", { message }));
  error.cause = undefined;
  return error;
}

export interface ErrorMapping {
  /** Whether every reason why a session is not accepted (HTTP status 401) becomes INVALID_COOKIE. */
  readonly uniform: boolean;
}

/** A session error for a browser that asks through a proxy. */
export interface HttpRefusal {
  readonly reason: Reason;
  readonly message: string;
  readonly httpStatus: number;
}

/** What a browser may be told of the error. */
export function httpRefusal(error: SessionError, mapping: ErrorMapping): HttpRefusal {
  const { reason, message } = mapping.uniform ? toUniformError(error) : error;
  return { reason, message, httpStatus: wireErrors[reason].httpStatus };
}

/**
 * Converts any failure of a call to a gRPC status. Unknown errors become "internal error". The failure
 * itself is the cause, which is for the log and not sent.
 */
export function toConnectError(error: unknown, mapping: ErrorMapping): ConnectError {
  if (error instanceof SessionError) {
    const status = sessionErrorToConnect(mapping.uniform ? toUniformError(error) : error);
    status.cause = error;
    return status;
  }
  // From Connect, or the reason of an aborted signal: deadline, cancellation or shutdown.
  if (error instanceof ConnectError) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
