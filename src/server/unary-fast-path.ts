import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { compressionNegotiate } from "@connectrpc/connect/protocol";
import { parseGrpcTimeout } from "./deadline.ts";
import type { Routing } from "./routing.ts";
import { UnaryCall, type UnaryCallOptions } from "./unary-call.ts";

export interface UnaryFastPathOptions extends UnaryCallOptions {
  readonly routing: Routing;
  readonly maxDeadlineMs: number;
}

/** How many spellings of a header that clients repeat are remembered. */
const maxMemoized = 100;

/**
 * Serves gRPC's unary calls straight from HTTP/2 streams. Connect's own way there, through fetch's
 * types and several asynchronous generators for each message, costs about six times the CPU.
 *
 * It serves what nearly every call is: one whole message that is not compressed, in binary. The
 * rest goes the other way: streams, gRPC-Web and Connect, JSON, compressed messages, and the
 * requests that break the protocol in a way of which Connect is to judge.
 */
export function createUnaryFastPath(
  options: UnaryFastPathOptions,
): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void {
  const { routing, maxDeadlineMs, fallback } = options;
  const usableAuthority = memoize(isUsableAuthority);
  const responseHeadersFor = memoize((acceptEncoding: string) =>
    responseHeaders(acceptEncoding, routing),
  );

  return function serve(stream, headers) {
    const path = headers[":path"];
    const method = path === undefined ? undefined : routing.unaryMethods.get(path);
    const timeout = headers["grpc-timeout"];
    const timeoutMs = timeout === undefined ? maxDeadlineMs : parseGrpcTimeout(timeout as string);
    const authority = headers[":authority"] ?? headers.host;
    if (
      method === undefined ||
      headers[":method"] !== "POST" ||
      !isBinaryGrpc(headers["content-type"]) ||
      !isIdentity(headers["grpc-encoding"]) ||
      timeoutMs === undefined ||
      headers.expect !== undefined ||
      authority === undefined ||
      !usableAuthority(authority)
    ) {
      fallback(stream, headers);
      return;
    }
    // A reset stream says so by an event, also where it was reset together with its headers.
    stream.on("error", ignore);
    // Cancelled before it was looked at: a flood of resets must stay cheap.
    if (stream.closed) return;

    const acceptEncoding = headers["grpc-accept-encoding"] as string | undefined;
    new UnaryCall(options, stream, {
      headers,
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

/** Whether host and path make a URL, without which Connect does not serve a request. */
function isUsableAuthority(authority: string): boolean {
  return URL.canParse("/", `http://${authority}`);
}

/** Names the compression that the client accepts, as Connect does, which never uses it either. */
function responseHeaders(acceptEncoding: string, { compressions }: Routing) {
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

/** The function with a memory for what clients send again and again. */
function memoize<T>(compute: (text: string) => T): (text: string) => T {
  const memory = new Map<string, T>();
  return (text) => {
    const known = memory.get(text);
    if (known !== undefined) return known;
    const value = compute(text);
    if (memory.size >= maxMemoized) {
      // The oldest goes; a Map iterates in the order of insertion.
      const [oldest] = memory.keys();
      memory.delete(oldest as string);
    }
    memory.set(text, value);
    return value;
  };
}

function ignore(): void {}
