import { compressionNegotiate } from "@connectrpc/connect/protocol";
import { isFromBrowser } from "./browser-origin.ts";
import { parseGrpcTimeout } from "./deadline.ts";
import type { StreamHandler } from "./header-limits.ts";
import { memoize } from "./memoize.ts";
import type { Routing } from "./routing.ts";
import { UnaryCall, type UnaryCallOptions } from "./unary-call.ts";

export interface UnaryFastPathOptions extends UnaryCallOptions {
  readonly routing: Routing;
  readonly maxDeadlineMs: number;
}

/** For how many values of a header the result is memoized. */
const maxMemoized = 100;

/**
 * Creates a listener for HTTP/2 streams that serves unary gRPC calls without Connect. Connect uses
 * fetch's types and several asynchronous generators for each message, at about six times the CPU.
 *
 * It serves what nearly every call is: one whole message, binary and not compressed. Everything
 * else goes to `fallback`: streaming, gRPC-Web and Connect, JSON, compressed messages, requests of
 * browsers, and requests that violate the protocol, for which Connect has the error.
 */
export function createUnaryFastPath(options: UnaryFastPathOptions): StreamHandler {
  const { routing, maxDeadlineMs, fallback } = options;
  const responseHeadersFor = memoize(maxMemoized, (acceptEncoding) =>
    createResponseHeaders(acceptEncoding, routing),
  );

  return function serve(stream, headers, rawHeaders) {
    const path = headers[":path"];
    const method = path === undefined ? undefined : routing.unaryMethods.get(path);
    const timeout = headers["grpc-timeout"];
    const timeoutMs = timeout === undefined ? maxDeadlineMs : parseGrpcTimeout(timeout as string);
    if (
      method === undefined ||
      headers[":method"] !== "POST" ||
      !isBinaryGrpc(headers["content-type"]) ||
      !isIdentity(headers["grpc-encoding"]) ||
      timeoutMs === undefined ||
      headers.expect !== undefined ||
      isFromBrowser(headers)
    ) {
      fallback(stream, headers, rawHeaders);
      return;
    }
    // A stream that the client resets emits "error", even if the reset came with the headers.
    stream.on("error", ignore);
    // Reset before it was served: a flood of resets must stay cheap.
    if (stream.closed) return;

    const acceptEncoding = headers["grpc-accept-encoding"] as string | undefined;
    new UnaryCall(options, stream, {
      headers,
      rawHeaders,
      method,
      arrivedAt: performance.now(),
      timeoutMs: Math.min(timeoutMs, maxDeadlineMs),
      ...responseHeadersFor(acceptEncoding ?? ""),
    }).serve();
  };
}

function isBinaryGrpc(contentType: string | undefined): boolean {
  return contentType === "application/grpc" || contentType === "application/grpc+proto";
}

function isIdentity(encoding: string | string[] | undefined): boolean {
  return encoding === undefined || encoding === "identity";
}

/** Names a compression that the client accepts, as Connect does, although neither compresses. */
function createResponseHeaders(acceptEncoding: string, { compressions }: Routing) {
  const { response } = compressionNegotiate(
    [...compressions],
    null,
    acceptEncoding,
    "grpc-accept-encoding",
  );
  const headers: Record<string, string> = { "content-type": "application/grpc+proto" };
  if (response !== null) headers["grpc-encoding"] = response.name;
  return {
    responseHeaders: headers,
    rawResponseHeaders: [":status", "200", ...Object.entries(headers).flat()],
  };
}

function ignore(): void {}
