import {
  constants,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { errorResponse, type FixedResponse, sendOnStream } from "./fixed-response.ts";
import { destroySoon } from "./http2-streams.ts";
import type { ObserveRefusal, RefusedRequest } from "./refusal-observation.ts";
import type { TooLargeErrorFactory } from "./request-errors.ts";

/** How many headers one request may have. Over HTTP/2, pseudo-headers such as `:path` count. */
export const maxHeaders = 128;

/**
 * How many times the limits a request may have before Node refuses it: by resetting the stream, or
 * over HTTP/1.1 with an error that does not say what was too large.
 */
const hardLimitFactor = 2;

/** The number of headers above which Node refuses a request. */
export const hardMaxHeaders = hardLimitFactor * maxHeaders;

/**
 * How many requests above the hard limits a connection may have before the client has acknowledged the
 * settings, which Node enforces only then. One reference of a byte can stand for 4 KiB.
 */
const maxOversized = 4;

/** What HTTP/2 counts for each header in addition to its name and value (RFC 9113, section 6.5.2). */
const headerOverheadBytes = 32;

export interface HeaderLimits {
  readonly maxHeaderBytes: number;
  readonly tooLargeError: TooLargeErrorFactory;
  readonly observeRefusal: ObserveRefusal;
}

/**
 * The limits that Node enforces over HTTP/2. They are above those of this server, which otherwise
 * could not say what was wrong. Node also advertises the size to clients.
 */
export function hardHeaderLimits(maxHeaderBytes: number) {
  return {
    maxHeaderListSize: hardLimitFactor * maxHeaderBytes,
    maxHeaderListPairs: hardMaxHeaders,
  };
}

/** The response to a request with more than `maxHeaders` headers. */
export function tooManyHeadersResponse(
  request: RefusedRequest,
  limits: HeaderLimits,
): FixedResponse {
  const message = `the request has more than ${maxHeaders} headers`;
  return refuse(request, limits.tooLargeError(message, "maxHeaders"), limits);
}

/** The response to a request whose headers are larger than `maxHeaderBytes`. */
function largeHeadersResponse(request: RefusedRequest, limits: HeaderLimits): FixedResponse {
  const message = `the request headers are larger than the limit of ${limits.maxHeaderBytes} bytes`;
  return refuse(request, limits.tooLargeError(message, "maxHeaderBytes"), limits);
}

/** The response where Node's parser for HTTP/1.1 has refused the headers. It does not say why. */
export function headerOverflowResponse(limits: HeaderLimits): FixedResponse {
  const message = `the request headers are larger than the limit of ${limits.maxHeaderBytes} bytes, or more than ${hardMaxHeaders}`;
  return refuse({ headers: {} }, limits.tooLargeError(message, "maxHeaderBytes"), limits);
}

function refuse(
  request: RefusedRequest,
  error: ConnectError,
  { observeRefusal }: HeaderLimits,
): FixedResponse {
  return observeRefusal(request, error, errorResponse(request.headers["content-type"], error, 431));
}

/** Serves an HTTP/2 stream. `rawHeaders` has names and values in turn. */
export type StreamHandler = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
) => void;

/** Creates a listener for HTTP/2 streams that passes on those whose headers are within the limits. */
export function limitHeaders(limits: HeaderLimits, serve: StreamHandler) {
  const { maxHeaderBytes } = limits;
  const hard = hardHeaderLimits(maxHeaderBytes);
  /** How many requests above the hard limits a connection has had. */
  const oversized = new WeakMap<Http2Session, number>();

  function countOversized(session: Http2Session | undefined): void {
    if (session === undefined) return;
    const count = (oversized.get(session) ?? 0) + 1;
    oversized.set(session, count);
    if (count === maxOversized) destroySoon(session, "too many requests with too large headers");
  }

  function refuseStream(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    count: number,
    bytes: number,
  ): void {
    stream.on("error", () => {});
    // Only before the client has acknowledged the server's settings: Node enforces them from then on.
    if (count > hard.maxHeaderListPairs || bytes > hard.maxHeaderListSize) {
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      countOversized(stream.session);
      return;
    }
    const respond = count > maxHeaders ? tooManyHeadersResponse : largeHeadersResponse;
    sendOnStream(stream, respond({ headers, url: headers[":path"] }, limits));
  }

  return (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    _flags: number,
    rawHeaders: readonly string[],
  ): void => {
    const count = rawHeaders.length / 2;
    let bytes = count * headerOverheadBytes;
    for (const text of rawHeaders) bytes += text.length;
    if (count > maxHeaders || bytes > maxHeaderBytes) refuseStream(stream, headers, count, bytes);
    else serve(stream, headers, rawHeaders);
  };
}
