import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../../../gen/es/google/rpc/error_details_pb.ts";
import { ErrorDetailSchema, ErrorReason, SessionLimitDetailSchema } from "../../src/index.ts";

export interface FailureOptions {
  readonly code?: Code;
  readonly reason?: ErrorReason;
  readonly reasonName?: string;
  readonly httpStatus?: number;
  readonly fields?: readonly string[];
  readonly retryDelayMs?: number;
  readonly sessionLimit?: MessageInitShape<typeof SessionLimitDetailSchema>;
  readonly message?: string;
}

/** A failure as sessiond sends it. */
export function failure(options: FailureOptions = {}): ConnectError {
  const { code = Code.Unauthenticated, reason = ErrorReason.REVOKED, httpStatus = 401 } = options;
  const error = new ConnectError(options.message ?? "sessiond's message", code);
  error.details.push({ desc: ErrorDetailSchema, value: { reason, httpStatus } });
  const { reasonName, fields, retryDelayMs, sessionLimit } = options;
  if (reasonName !== undefined) {
    const value = { reason: reasonName, domain: "sessiond.v1" };
    error.details.push({ desc: ErrorInfoSchema, value });
  }
  if (fields !== undefined) {
    const fieldViolations = fields.map((field) => ({ field, description: `${field} is wrong` }));
    error.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  if (retryDelayMs !== undefined) {
    const retryDelay = durationFromMs(retryDelayMs);
    const value = create(RetryInfoSchema, { retryDelay });
    error.details.push({ desc: RetryInfoSchema, value });
  }
  if (sessionLimit !== undefined) {
    error.details.push({ desc: SessionLimitDetailSchema, value: sessionLimit });
  }
  return error;
}

export const unavailable = (retryDelayMs?: number) =>
  failure({
    code: Code.Unavailable,
    reason: ErrorReason.STORAGE_UNAVAILABLE,
    httpStatus: 503,
    ...(retryDelayMs !== undefined && { retryDelayMs }),
  });
