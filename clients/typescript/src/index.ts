export { type ConnectOptions, connect, type SessiondClient } from "./connect.ts";
export { type FieldViolation, isSessionError, SessionError, sessionError } from "./errors.ts";
export type {
  FailedRequest,
  LoggedIn,
  Login,
  Refusal,
  RequestSession,
  SessionsOptions,
} from "./request-sessions.ts";
export * from "./stubs.ts";
