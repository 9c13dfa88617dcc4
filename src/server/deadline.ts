import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** A longer setTimeout overflows its 32 bits and fires after 1 ms instead. */
const longestTimerMs = 2 ** 31 - 1;

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

/**
 * Bounds the deadline that a client asked for by rewriting its header in place, and returns the
 * milliseconds that the call has.
 *
 * A deadline above `maxMs` is lowered rather than refused, which is what Connect's own
 * `maxTimeoutMs` does: a client whose library sends 60 s with every call must not fail. A call
 * without one gets `maxMs`. With `maxMs` undefined, for streams, a call may have no deadline, and
 * the bound is what a timer can hold: Connect hands `99999999H` to setTimeout as it is, which
 * ends the call at once.
 *
 * A malformed header is left as it is, since Connect refuses it with INVALID_ARGUMENT.
 */
export function limitDeadline(header: Headers, maxMs: number | undefined): number | undefined {
  const isGrpc = header.get("Content-Type")?.startsWith("application/grpc") === true;
  const name = isGrpc ? "Grpc-Timeout" : "Connect-Timeout-Ms";
  const value = header.get(name);
  const asked = value === null ? undefined : (isGrpc ? parseGrpcTimeout : parseConnect)(value);
  const bound = Math.min(maxMs ?? longestTimerMs, longestTimerMs);
  if (asked !== undefined && asked <= bound) {
    return asked;
  }
  if (asked === undefined && (value !== null || maxMs === undefined)) {
    return maxMs === undefined ? undefined : bound;
  }
  header.set(name, isGrpc ? formatGrpc(bound) : String(bound));
  return bound;
}

function parseConnect(value: string): number | undefined {
  return /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

/** gRPC allows eight digits, which as milliseconds are only 27 hours. */
function formatGrpc(ms: number): string {
  return ms < 1e8 ? `${ms}m` : `${Math.floor(ms / 1000)}S`;
}

export function deadlineExceeded(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

/**
 * Answers a unary call as soon as its signal fires, even if the handler is slow to notice:
 * Connect alone waits for the handler. The handler's late result is dropped.
 *
 * It belongs innermost, so that the other interceptors see the outcome that the client sees.
 * Streams are left alone, because what they still have to say when they are ended is theirs.
 */
export const deadlineInterceptor: Interceptor = (next) => (req) =>
  req.stream ? next(req) : beforeAbort(req.signal, () => next(req));

/** Runs the work and settles with it, or rejects with the signal's reason if that comes first. */
async function beforeAbort<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const watch = watchAbort(signal);
  try {
    return await (signal.aborted ? watch.aborted : Promise.race([watch.aborted, work()]));
  } finally {
    watch.stop();
  }
}

/**
 * Yields what the source yields and fails with the signal's reason as soon as that fires, also
 * while it waits. The source is not told to stop: what becomes of it is up to its owner.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const watch = watchAbort(signal);
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const result = await Promise.race([watch.aborted, iterator.next()]);
      if (result.done === true) {
        return;
      }
      yield result.value;
    }
  } finally {
    watch.stop();
  }
}

function watchAbort(signal: AbortSignal) {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  // The race may be over when it rejects.
  aborted.catch(() => {});
  const onAbort = () => reject(ConnectError.from(signal.reason, Code.Canceled));
  if (signal.aborted) {
    onAbort();
  } else {
    signal.addEventListener("abort", onAbort, { once: true });
  }
  return { aborted, stop: () => signal.removeEventListener("abort", onAbort) };
}
