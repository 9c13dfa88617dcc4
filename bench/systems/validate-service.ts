import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import {
  SessionService,
  type ValidateRequest,
  ValidateRequestSchema,
  type ValidateResponse,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { announce, exitOnSigterm } from "./listen.ts";

const { method } = SessionService;

/** A service with only Validate, with the same codec as sessiond. */
const definition: ServiceDefinition = {
  validate: {
    path: `/${SessionService.typeName}/${method.validate.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: ValidateRequest) =>
      Buffer.from(toBinary(ValidateRequestSchema, request)),
    requestDeserialize: (bytes: Buffer) => fromBinary(ValidateRequestSchema, bytes),
    responseSerialize: (response: ValidateResponse) =>
      Buffer.from(toBinary(ValidateResponseSchema, response)),
    responseDeserialize: (bytes: Buffer) => fromBinary(ValidateResponseSchema, bytes),
  },
};

/** Serves Validate with the standard `@grpc/grpc-js` server. */
export function serveWithGrpcJs(implementation: UntypedServiceImplementation): void {
  const server = new Server();
  server.addService(definition, implementation);
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    announce(port);
  });
  exitOnSigterm();
}
