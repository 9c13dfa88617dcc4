import type { DescMethodUnary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { codeName, type SessionError, sessionError } from "../../clients/typescript/src/errors.ts";
import { ErrorReason } from "../../gen/es/sessiond/v1/error_pb.ts";
import { SessionError as DomainError } from "../session/errors.ts";
import { CommandError, ExitCode } from "./exit-codes.ts";

/** What a failure is for whoever runs a command. The texts have no secret. */
export interface Failure {
  /** Without the reason. */
  readonly message: string;
  readonly exitCode: ExitCode;
  /** The reason that sessiond gives. */
  readonly reason?: string;
  /** The gRPC code. */
  readonly code?: string;
}

/** A call to the service that has failed. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly failure: Failure;

  constructor(method: DescMethodUnary, address: string, cause: unknown) {
    const error = sessionError(cause);
    const message = messageOf(method, address, error);
    super(error.reasonName === "" ? message : `${error.reasonName}: ${message}`, { cause });
    this.failure = {
      message,
      exitCode: exitCodeOf(error),
      code: codeName(error.code),
      ...(error.reasonName !== "" && { reason: error.reasonName }),
    };
  }
}

/** @param explain the message of an error that is no command's */
export function describeFailure(error: unknown, explain: (error: unknown) => string): Failure {
  if (error instanceof CallError) return error.failure;
  if (error instanceof CommandError) return { message: error.message, exitCode: error.exitCode };
  const exitCode = isOutage(error) ? ExitCode.unavailable : ExitCode.failed;
  return { message: explain(error), exitCode };
}

/** Whether the database or Vault cannot be used now. Their classes are not imported here: a property tells. */
function isOutage(error: unknown): boolean {
  if (error instanceof DomainError) return OUTAGES.includes(error.reason);
  return error instanceof Error && "isTransient" in error && error.isTransient === true;
}

const OUTAGES: readonly string[] = ["STORAGE_UNAVAILABLE", "OVERLOADED"];

const NOT_PERMITTED = [Code.Unauthenticated, Code.PermissionDenied];
const LATER = [Code.Unavailable, Code.ResourceExhausted, Code.DeadlineExceeded];

function exitCodeOf({ code, reason }: SessionError): ExitCode {
  if (reason === ErrorReason.INVALID_REQUEST) return ExitCode.wrongUse;
  if (code === Code.NotFound) return ExitCode.notFound;
  if (NOT_PERMITTED.includes(code)) return ExitCode.notPermitted;
  if (LATER.includes(code)) return ExitCode.unavailable;
  return ExitCode.failed;
}

function messageOf(method: DescMethodUnary, address: string, error: SessionError): string {
  const { code, reason, reasonName, message, violations } = error;
  if (code === Code.Unimplemented) {
    return (
      `this sessiond does not know ${method.name}: upgrade the service to use this command, or call ` +
      "another one by --address"
    );
  }
  if (reasonName === "") return unansweredMessage(address, error);
  if (violations.length > 0) {
    const list = violations.map(({ field, description }) => `${field}: ${description}`);
    return list.join("; ");
  }
  const advice = reason === ErrorReason.CALLER_UNAUTHENTICATED ? ` (${TOKEN_ADVICE})` : "";
  return `${message}${advice}`;
}

const TOKEN_ADVICE =
  "--token-file or SESSIOND_CLI_TOKEN gives a token, --cert and --key a certificate";

/** The call has failed on its way. */
function unansweredMessage(address: string, error: SessionError): string {
  const errors = chainOf(error);
  const cause = errors.find((one) => one.code !== undefined && /^[A-Z][A-Z0-9_]+$/.test(one.code));
  if (cause?.code !== undefined) {
    const advice = TLS_CODE.test(cause.code)
      ? "--ca names the file of its certificate authority, --server-name the name in its certificate"
      : "is it running? --address or SESSIOND_CLI_ADDRESS names another";
    return `cannot reach sessiond at ${address} (${cause.code}): ${advice}`;
  }
  if (error.code === Code.DeadlineExceeded) {
    return `sessiond at ${address} has not answered in time (see --timeout and SESSIOND_CLI_TIMEOUT)`;
  }
  // The message of ConnectError, which may be about the token file.
  const text = errors.find(({ rawMessage }) => rawMessage !== undefined)?.rawMessage;
  return `the call to sessiond at ${address} failed: ${codeName(error.code)}${text ? `: ${text}` : ""}`;
}

/** Of OpenSSL and of Node's checks of certificates. */
const TLS_CODE = /CERT|TLS|SSL|ISSUER|SIGNATURE|CHAIN|EPROTO/;

interface CauseInChain {
  readonly code?: string | undefined;
  readonly rawMessage?: string | undefined;
}

function chainOf(error: Error): readonly CauseInChain[] {
  const chain: CauseInChain[] = [];
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const { code, rawMessage } = current as { code?: unknown; rawMessage?: unknown };
    chain.push({
      code: typeof code === "string" ? code : undefined,
      rawMessage: typeof rawMessage === "string" ? rawMessage : undefined,
    });
  }
  return chain;
}
