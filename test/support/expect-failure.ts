import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { ErrorDetailSchema, ErrorReason } from "../../gen/es/sessiond/v1/error_pb.ts";
import type { Reason } from "../../src/session/errors.ts";

/** The code and HTTP status that DESIGN gives each reason; on purpose not the code's own table. */
const contract: Record<Reason, readonly [Code, number]> = {
  INVALID_COOKIE: [Code.Unauthenticated, 401],
  EXPIRED_IDLE: [Code.Unauthenticated, 401],
  EXPIRED_ABSOLUTE: [Code.Unauthenticated, 401],
  REVOKED: [Code.Unauthenticated, 401],
  SIGNING_KEY_NOT_FOUND: [Code.Unauthenticated, 401],
  SIGNING_KEY_RETIRED: [Code.Unauthenticated, 401],
  IP_MISMATCH: [Code.Unauthenticated, 401],
  USER_AGENT_MISMATCH: [Code.Unauthenticated, 401],
  PRE_LOGIN_NOT_ACCEPTED: [Code.Unauthenticated, 401],
  CSRF_MISSING: [Code.PermissionDenied, 403],
  CSRF_MISMATCH: [Code.PermissionDenied, 403],
  SESSION_NOT_FOUND: [Code.NotFound, 404],
  INVALID_REQUEST: [Code.InvalidArgument, 400],
  SESSION_LIMIT_REACHED: [Code.FailedPrecondition, 409],
  CALLER_UNAUTHENTICATED: [Code.Unauthenticated, 401],
  CALLER_FORBIDDEN: [Code.PermissionDenied, 403],
  STORAGE_UNAVAILABLE: [Code.Unavailable, 503],
  OVERLOADED: [Code.ResourceExhausted, 429],
  INITIAL_SIGNING_KEY_MINT_FAILED: [Code.Internal, 500],
  REQUEST_TOO_LARGE: [Code.InvalidArgument, 413],
  STEP_UP_REQUIRED: [Code.PermissionDenied, 403],
  METADATA_ETAG_MISMATCH: [Code.Aborted, 409],
  CALLER_KEYS_UNAVAILABLE: [Code.Unavailable, 503],
  ACTOR_TYPE_NOT_ACCEPTED: [Code.PermissionDenied, 403],
};

/** The error that the call fails with; it is an assertion failure if it succeeds. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome, "the call should have failed").to.be.instanceOf(ConnectError);
  return outcome as ConnectError;
}

export interface ExpectedFailure {
  /** The wrong field, for INVALID_REQUEST. */
  readonly field?: string;
}

/** Asserts that the call fails with the reason: code, typed detail and ErrorInfo included. */
export async function expectFailure(
  call: Promise<unknown>,
  reason: Reason,
  { field = "" }: ExpectedFailure = {},
): Promise<ConnectError> {
  const error = await failureOf(call);
  const [detail] = error.findDetails(ErrorDetailSchema);
  const [info] = error.findDetails(ErrorInfoSchema);
  const [code, httpStatus] = contract[reason];
  expect(
    {
      reason: detail?.reason,
      code: Code[error.code],
      httpStatus: detail?.httpStatus,
      field: detail?.field,
      info: [info?.reason, info?.domain],
    },
    `message: ${error.message}`,
  ).to.deep.equal({
    reason: ErrorReason[reason],
    code: Code[code],
    httpStatus,
    field,
    info: [reason, "sessiond.v1"],
  });
  return error;
}
