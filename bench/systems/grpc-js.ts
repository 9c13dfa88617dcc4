/**
 * An empty handler in the usual gRPC server for Node. It decodes the request, and encodes the same
 * ValidateResponse object for each call. No HMAC, no database.
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { sendUnaryData } from "@grpc/grpc-js";
import { ValidateResponseSchema } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { recordedAnswer } from "./listen.ts";
import { serveWithGrpcJs } from "./validate-service.ts";

const answer = fromBinary(ValidateResponseSchema, recordedAnswer());

serveWithGrpcJs({
  validate: (_call: unknown, callback: sendUnaryData<typeof answer>) => callback(null, answer),
});
