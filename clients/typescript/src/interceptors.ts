import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { retryInfoDelayMs } from "./errors.ts";

/** The calls that do nothing more when they are made again. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  "Validate",
  "ValidateCsrf",
  "Touch",
  "Revoke",
  "RevokeAllForActor",
  "Get",
  "List",
  "ListSessions",
  "RevokeSessions",
  "ListSigningKeys",
  "ListTokenKeys",
  "ListAuditEvents",
  "GarbageCollect",
]);

const MAX_ATTEMPTS = 3;
const INITIAL_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 1000;

/** As retryThrottling of gRPC's service config: an outage must not multiply the calls. */
const MAX_TOKENS = 10;
const TOKEN_RATIO = 0.1;

/** Retries idempotent calls within their deadline, by the rules of gRPC's retry policy. */
export function retries(): Interceptor {
  let tokens = MAX_TOKENS;
  return (next) => async (request) => {
    if (request.stream || !IDEMPOTENT.has(request.method.name)) return next(request);
    const deadline = deadlineOf(request.header);
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await next(request);
        tokens = Math.min(MAX_TOKENS, tokens + TOKEN_RATIO);
        return response;
      } catch (thrown) {
        const error = ConnectError.from(thrown);
        if (error.code !== Code.Unavailable && error.code !== Code.ResourceExhausted) throw error;
        tokens = Math.max(0, tokens - 1);
        const delayMs = retryDelayMs(error, attempt);
        const mayRetry = attempt < MAX_ATTEMPTS && tokens > MAX_TOKENS / 2;
        if (!mayRetry || delayMs === undefined || request.signal.aborted) throw error;
        // The caller gets this failure, which says more than a deadline that has passed.
        if (performance.now() + delayMs >= deadline) throw error;
        await sleep(delayMs, undefined, { signal: request.signal });
        setTimeLeft(request.header, deadline);
      }
    }
  };
}

/** The delay that the server asks for, else one that doubles; undefined if it wants no retry. */
function retryDelayMs(error: ConnectError, attempt: number): number | undefined {
  const pushback = error.metadata.get("grpc-retry-pushback-ms");
  if (pushback !== null) return /^\d{1,9}$/.test(pushback) ? Number(pushback) : undefined;
  const backoff = Math.min(MAX_BACKOFF_MS, INITIAL_BACKOFF_MS * 2 ** (attempt - 1));
  return retryInfoDelayMs(error) ?? backoff * (0.8 + 0.4 * Math.random());
}

const TIMEOUT_HEADER = "grpc-timeout";

/** When the call ends, on the clock of `performance`. */
function deadlineOf(header: Headers): number {
  const [, digits] = /^(\d+)m$/.exec(header.get(TIMEOUT_HEADER) ?? "") ?? [];
  return digits === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(digits);
}

function setTimeLeft(header: Headers, deadline: number): void {
  if (deadline === Number.POSITIVE_INFINITY) return;
  const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
  header.set(TIMEOUT_HEADER, `${leftMs}m`);
}

/** Sends a bearer token with each call. */
export function token(source: string | (() => string | Promise<string>)): Interceptor {
  return (next) => async (request) => {
    const value = typeof source === "string" ? source : await source();
    // Headers would repeat the token in its error.
    if (!/^[\x21-\x7e]+$/.test(value)) {
      throw new TypeError("the token is empty or has characters that a header cannot have");
    }
    request.header.set("authorization", `Bearer ${value}`);
    return next(request);
  };
}

/**
 * Reports a connection that failed or ended as UNAVAILABLE, as all gRPC libraries do. Connect has
 * other codes for some of it, among them CANCELLED, which is only what the caller does.
 */
export const connectionFailures: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    if (request.signal.aborted || !isConnectionFailure(error)) throw error;
    throw new ConnectError(error.rawMessage, Code.Unavailable, undefined, undefined, error);
  }
};

function isConnectionFailure(error: ConnectError): boolean {
  if (error.metadata.has("grpc-status")) return false;
  if (error.code === Code.Canceled || error.code === Code.Aborted) return true;
  // An error of Node's network, TLS or HTTP/2.
  return error.cause instanceof Error && "code" in error.cause;
}
