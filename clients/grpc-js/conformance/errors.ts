/**
 * The errors of sessiond without a client package: an example of what to do with
 * `grpc-status-details-bin`, which @grpc/grpc-js leaves encoded.
 */
import { type Metadata, status } from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";

export interface DecodedError {
  /** The gRPC code's name, such as `UNAUTHENTICATED`. */
  readonly code: string;
  /** The reason's name without its prefix, such as `REVOKED`; empty if it is not sessiond's failure. */
  readonly reason: string;
  readonly httpStatus: number;
  readonly violations: readonly { readonly field: string; readonly description: string }[];
  readonly retryDelayMs: number;
  /** The limit and the user's oldest sessions; only with SESSION_LIMIT_REACHED. */
  readonly sessionLimit: SessionLimit | undefined;
  /** What to answer a browser: never 401 for an outage or for this backend's own mistake. */
  readonly browserStatus: number;
}

/** A `sessiond.v1.SessionLimitDetail` as protobufjs has it. */
export interface SessionLimit {
  readonly limit: number;
  readonly total: number;
  readonly sessions: readonly { readonly id: string; readonly userAgent: string }[];
}

/** What fails with one of these is this backend's own mistake. */
const BACKEND_MISTAKES = new Set([
  "CALLER_UNAUTHENTICATED",
  "CALLER_FORBIDDEN",
  "INVALID_REQUEST",
  "SESSION_NOT_FOUND",
]);

/**
 * A decoder of the failures of calls.
 *
 * @param includeDirs directories with `sessiond/v1` and with `google/rpc`
 */
export function createErrorDecoder(includeDirs: string[]) {
  const files = ["sessiond/v1/error.proto", "google/rpc/status.proto"];
  const messages = loadSync([...files, "google/rpc/error_details.proto"], {
    includeDirs,
    longs: Number,
    enums: String,
    defaults: true,
  });

  // biome-ignore lint/suspicious/noExplicitAny: proto-loader makes the types at run time.
  function decode(name: string, bytes: Buffer): any {
    const message = messages[name] as MessageTypeDefinition<object, object> | undefined;
    return message?.deserialize(bytes);
  }

  function decodeDetails(metadata: Metadata | undefined): Map<string, ReturnType<typeof decode>> {
    const [bytes] = metadata?.get("grpc-status-details-bin") ?? [];
    if (!Buffer.isBuffer(bytes)) return new Map();
    try {
      const { details } = decode("google.rpc.Status", bytes);
      return new Map(
        // As protobufjs names the fields of an Any.
        details.map(({ type_url, value }: { type_url: string; value: Buffer }) => {
          const name = type_url.slice(type_url.lastIndexOf("/") + 1);
          return [name, decode(name, value)];
        }),
      );
    } catch {
      // Not sessiond's: something in between has answered.
      return new Map();
    }
  }

  return (error: { readonly code: status; readonly metadata?: Metadata }): DecodedError => {
    const details = decodeDetails(error.metadata);
    const detail = details.get("sessiond.v1.ErrorDetail");
    // Proxies and other services send an ErrorInfo, too.
    const reason: string = detail ? (details.get("google.rpc.ErrorInfo")?.reason ?? "") : "";
    const httpStatus: number = detail?.httpStatus ?? 0;
    const delay = details.get("google.rpc.RetryInfo")?.retryDelay;
    return {
      code: status[error.code] ?? "UNKNOWN",
      reason,
      httpStatus,
      violations: details.get("google.rpc.BadRequest")?.fieldViolations ?? [],
      retryDelayMs: delay ? delay.seconds * 1000 + delay.nanos / 1e6 : 0,
      sessionLimit: details.get("sessiond.v1.SessionLimitDetail"),
      browserStatus: browserStatusOf(reason, httpStatus),
    };
  };
}

function browserStatusOf(reason: string, httpStatus: number): number {
  if (BACKEND_MISTAKES.has(reason)) return 500;
  return httpStatus >= 400 && httpStatus <= 599 ? httpStatus : 503;
}
