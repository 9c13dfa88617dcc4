import type { Routing } from "./routing.ts";
import { type StreamHandler, UnaryCall, type UnaryCallOptions } from "./unary-call.ts";
import type { UnaryRequest } from "./unary-request.ts";
import { createUnaryRequestReader } from "./unary-request-reader.ts";

export interface UnaryFastPathOptions extends UnaryCallOptions {
  readonly routing: Routing;
  readonly maxDeadlineMs: number;
}

/**
 * Creates a handler that serves unary gRPC calls without Connect. Connect uses fetch's types and several
 * asynchronous generators for each message, at about six times the CPU.
 *
 * It serves what nearly every call is: one whole message, binary and not compressed. Everything
 * else goes to `fallback`: streaming, gRPC-Web and Connect, JSON, compressed messages, requests of
 * browsers, and requests that violate the protocol, for which Connect has the error.
 */
export function createUnaryFastPath(options: UnaryFastPathOptions): StreamHandler {
  const readRequest = createUnaryRequestReader(options.routing, options.maxDeadlineMs);

  return (stream, arrivedAt) => {
    const { headers } = stream;
    // A client sends the same headers again and again: the engine has one list for them.
    headers.meaning ??= readRequest(stream.head, headers) ?? notUnary;
    if (headers.meaning === notUnary) {
      options.fallback(stream, arrivedAt);
      return;
    }
    new UnaryCall(options, stream, headers.meaning as UnaryRequest, arrivedAt).serve();
  };
}

const notUnary = Symbol("Connect has to serve it");
