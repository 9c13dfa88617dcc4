import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/es/google/rpc/error_details_pb.ts";
import { ErrorDetailSchema, ErrorReason } from "../../gen/es/sessiond/v1/error_pb.ts";
import { type Reason, SessionError } from "../session/errors.ts";

/** The domain of google.rpc.ErrorInfo. */
export const ERROR_DOMAIN = "sessiond.v1";

/** When a caller may try again after an outage or an overload. */
const RETRY_DELAY_MS = 1000;

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
};

/** What is wrong with the caller's own credentials must stay visible to it. */
function uniformed(error: SessionError): SessionError {
  const aboutSession =
    wireErrors[error.reason] === UNAUTHENTICATED && error.reason !== "CALLER_UNAUTHENTICATED";
  return aboutSession ? new SessionError("INVALID_COOKIE") : error;
}

/** The status of a refusal, with its details. */
export function sessionErrorToConnect(error: SessionError): ConnectError {
  const { reason, field, message } = error;
  const { code, httpStatus, retry } = wireErrors[reason];
  const connectError = new ConnectError(message, code);
  connectError.details.push(
    {
      desc: ErrorDetailSchema,
      value: { reason: ErrorReason[reason], httpStatus, field: field ?? "" },
    },
    { desc: ErrorInfoSchema, value: { reason, domain: ERROR_DOMAIN } },
  );
  if (field !== undefined) {
    const fieldViolations = [{ field, description: message }];
    connectError.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
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

/** The answer to a request that does not decode: INVALID_REQUEST, as for any other wrong request. */
export function decodeError(message: string, field?: string): ConnectError {
  const options = field === undefined ? { message } : { message, field };
  return sessionErrorToConnect(new SessionError("INVALID_REQUEST", options));
}

export interface ErrorMapping {
  /** Every reason about a session that means 401 becomes INVALID_COOKIE. */
  readonly uniform: boolean;
  /** Told of what the caller is not told: defects and the causes of outages. */
  readonly onInternalError: (error: unknown) => void;
}

/** The one place where a failure becomes a status. What it does not know becomes "internal". */
export function toConnectError(error: unknown, mapping: ErrorMapping): ConnectError {
  if (error instanceof SessionError) {
    if (error.cause !== undefined) mapping.onInternalError(error);
    return sessionErrorToConnect(mapping.uniform ? uniformed(error) : error);
  }
  // From Connect itself or from the signal: a deadline, a cancellation, a shutdown.
  if (error instanceof ConnectError) return error;
  mapping.onInternalError(error);
  return new ConnectError("internal error", Code.Internal);
}
