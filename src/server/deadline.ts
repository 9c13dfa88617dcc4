import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { raceAbort } from "./abort.ts";

/** setTimeout takes 32 bits: a longer delay overflows, and the timer fires after 1 ms. */
const maxTimerMs = 2 ** 31 - 1;

const millisecondsPerUnit: Record<string, number> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The milliseconds of a Grpc-Timeout header; undefined if it is malformed. */
export function parseGrpcTimeout(value: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  const factor = unit === undefined ? undefined : millisecondsPerUnit[unit];
  return factor === undefined ? undefined : Number(digits) * factor;
}

/** The milliseconds of a Connect-Timeout-Ms header; undefined if it is malformed. */
function parseConnectTimeout(value: string): number | undefined {
  return /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

/** gRPC allows eight digits. As milliseconds these are 27 hours; longer times become seconds. */
function formatGrpcTimeout(ms: number): string {
  return ms < 1e8 ? `${ms}m` : `${Math.floor(ms / 1000)}S`;
}

/**
 * Limits the deadline that a client asked for: rewrites the timeout header in place and returns
 * the call's timeout in milliseconds; undefined means none.
 *
 * A timeout above `maxMs` is lowered. Connect's `maxTimeoutMs` refuses it instead, and calls of a
 * client whose library always sends 60 s would fail. A call without a timeout gets `maxMs`.
 *
 * `maxMs` is undefined for streams. They may have no deadline, and a longer one than a timer can
 * hold is lowered to that: Connect passes `99999999H` to setTimeout, which would end the stream at
 * once.
 *
 * A malformed header is kept, because Connect refuses it with INVALID_ARGUMENT.
 */
export function limitDeadline(header: Headers, maxMs: number | undefined): number | undefined {
  const isGrpc = header.get("Content-Type")?.startsWith("application/grpc") === true;
  const name = isGrpc ? "Grpc-Timeout" : "Connect-Timeout-Ms";
  const value = header.get(name);
  const parse = isGrpc ? parseGrpcTimeout : parseConnectTimeout;
  const requested = value === null ? undefined : parse(value);
  const limit = Math.min(maxMs ?? maxTimerMs, maxTimerMs);
  if (requested !== undefined && requested <= limit) {
    return requested;
  }
  if (requested === undefined && (value !== null || maxMs === undefined)) {
    return maxMs === undefined ? undefined : limit;
  }
  header.set(name, isGrpc ? formatGrpcTimeout(limit) : String(limit));
  return limit;
}

export function deadlineExceeded(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

/**
 * Ends a unary call as soon as its signal fires, even if the handler ignores the signal: Connect
 * alone would wait for the handler. The handler's late result is dropped.
 *
 * It must be the innermost interceptor, so that the others see the same outcome as the client.
 * Streams are not affected: a handler may still send messages after its signal has fired.
 */
export const deadlineInterceptor: Interceptor = (next) => (req) =>
  req.stream ? next(req) : raceAbort(req.signal, () => next(req));
