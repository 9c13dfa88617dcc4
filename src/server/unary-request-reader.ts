import { compressionNegotiate } from "@connectrpc/connect/protocol";
import { requestIdHeader } from "./call-observer.ts";
import { parseGrpcTimeout } from "./deadline.ts";
import type { HeaderList } from "./http2/header-list.ts";
import type { RequestHead } from "./http2/request-head.ts";
import { memoize } from "./memoize.ts";
import { encodeResponseHeaders } from "./response-headers.ts";
import type { Routing } from "./routing.ts";
import type { UnaryRequest, UnaryResponseHeaders } from "./unary-request.ts";

/** For how many values of a header the result is memoized. */
const maxMemoized = 100;

/** Headers with which Connect serves a call: an expectation, and what only browsers send. */
const connectHeaders = new Set(["expect", "origin", "sec-fetch-site"]);

/**
 * Creates a function that returns what the fast path has to know of a request, or undefined if Connect
 * has to serve it.
 */
export function createUnaryRequestReader(
  routing: Routing,
  maxDeadlineMs: number,
): (head: RequestHead, headers: HeaderList) => UnaryRequest | undefined {
  const responseHeadersFor = memoize(maxMemoized, (acceptEncoding) =>
    createResponseHeaders(acceptEncoding, routing),
  );

  return (head, headers) => {
    const method = routing.unaryMethods.get(head.path);
    if (method === undefined || head.method !== "POST") return undefined;
    let contentType: string | undefined;
    let timeout: string | undefined;
    let encoding: string | undefined;
    let acceptEncoding: string | undefined;
    let requestId: string | undefined;
    for (const { name, value } of headers.fields) {
      if (name === "content-type") contentType ??= value;
      else if (name === "grpc-timeout") timeout = join(timeout, value);
      else if (name === "grpc-encoding") encoding = join(encoding, value);
      else if (name === "grpc-accept-encoding") acceptEncoding = join(acceptEncoding, value);
      else if (name === requestIdHeader) requestId = join(requestId, value);
      else if (connectHeaders.has(name)) return undefined;
    }
    const isGrpc = contentType === "application/grpc" || contentType === "application/grpc+proto";
    const isPlain = encoding === undefined || encoding === "identity";
    const timeoutMs = timeout === undefined ? maxDeadlineMs : parseGrpcTimeout(timeout);
    if (!isGrpc || !isPlain || timeoutMs === undefined) return undefined;
    return {
      head,
      headers,
      method,
      timeoutMs: Math.min(timeoutMs, maxDeadlineMs),
      requestId,
      response: responseHeadersFor(acceptEncoding ?? ""),
    };
  };
}

/** What several headers of one name mean. */
function join(values: string | undefined, value: string): string {
  return values === undefined ? value : `${values}, ${value}`;
}

/** Names a compression that the client accepts, as Connect does, although neither compresses. */
function createResponseHeaders(
  acceptEncoding: string,
  { compressions }: Routing,
): UnaryResponseHeaders {
  const { response } = compressionNegotiate(
    [...compressions],
    null,
    acceptEncoding,
    "grpc-accept-encoding",
  );
  const headers: Record<string, string> = { "content-type": "application/grpc+proto" };
  if (response !== null) headers["grpc-encoding"] = response.name;
  return { headers, encoded: encodeResponseHeaders(200, Object.entries(headers)) };
}
