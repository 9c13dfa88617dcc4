import { fromBinary, type JsonObject, toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { BadRequestSchema, RetryInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import {
  ErrorDetailSchema,
  ErrorReasonSchema,
  SessionLimitDetailSchema,
} from "../../gen/es/sessiond/v1/error_pb.ts";
import type { CallError } from "./clients.ts";

/** A detail of an error as Connect has it. */
export interface RawDetail {
  /** The message's full name, such as `sessiond.v1.ErrorDetail`. */
  readonly type: string;
  readonly value: Uint8Array;
}

/** Decodes the details for a client that has no typed errors of its own. */
export function decodeDetails(details: readonly RawDetail[]): Omit<CallError, "code"> {
  const bytesOf = (type: string) => details.find((it) => it.type === type)?.value;
  const absent = new Uint8Array();
  const bytes = bytesOf("sessiond.v1.ErrorDetail");
  const { reason, httpStatus } = fromBinary(ErrorDetailSchema, bytes ?? absent);
  const badRequest = fromBinary(BadRequestSchema, bytesOf("google.rpc.BadRequest") ?? absent);
  const { retryDelay } = fromBinary(RetryInfoSchema, bytesOf("google.rpc.RetryInfo") ?? absent);
  const limitBytes = bytesOf("sessiond.v1.SessionLimitDetail");
  return {
    reason: bytes === undefined ? "" : reasonName(reason),
    httpStatus,
    violations: badRequest.fieldViolations.map(({ field, description }) => ({
      field,
      description,
    })),
    retryDelayMs: retryDelay === undefined ? 0 : durationMs(retryDelay),
    ...(limitBytes !== undefined && { sessionLimit: sessionLimitJson(limitBytes) }),
  };
}

function sessionLimitJson(bytes: Uint8Array): JsonObject {
  const detail = fromBinary(SessionLimitDetailSchema, bytes);
  return toJson(SessionLimitDetailSchema, detail) as JsonObject;
}

/** Without prefix; the number of one that this contract does not have. */
function reasonName(reason: number): string {
  const known = ErrorReasonSchema.values.find(({ number }) => number === reason);
  return known?.name.replace("ERROR_REASON_", "") ?? String(reason);
}

/** gRPC's name of a code of Connect's: `canceled` is spelled in another way. */
export function grpcName(code: string): string {
  return code === "canceled" ? "CANCELLED" : code.toUpperCase();
}
