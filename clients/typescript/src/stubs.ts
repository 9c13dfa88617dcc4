/** The generated code: the service, its messages with their schemas, and the reasons of errors. */
export * from "../../../gen/es/sessiond/v1/error_pb.ts";
export * from "../../../gen/es/sessiond/v1/session_pb.ts";
export * from "../../../gen/es/sessiond/v1/session_service_pb.ts";
