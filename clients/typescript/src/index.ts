export { type ConnectOptions, connect, type SessiondClient } from "./connect.ts";
export { type FieldViolation, isSessionError, SessionError, sessionError } from "./errors.ts";
export * from "./stubs.ts";
