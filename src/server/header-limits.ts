import type { ConnectError } from "@connectrpc/connect";
import { errorResponse, type FixedResponse } from "./fixed-response.ts";
import type { HeaderList } from "./http2/header-list.ts";
import type { ObserveRefusal, RefusedRequest } from "./refusal-observation.ts";
import type { TooLargeErrorFactory } from "./request-errors.ts";

/** How many headers one request may have. Over HTTP/2, pseudo-headers such as `:path` count. */
export const maxHeaders = 128;

/**
 * How many times the limits a request may have before it is refused without saying what was too large:
 * over HTTP/2 by resetting the stream, over HTTP/1.1 by Node.
 */
const hardLimitFactor = 2;

/** The number of headers above which a request is refused so. */
export const hardMaxHeaders = hardLimitFactor * maxHeaders;

export interface HeaderLimits {
  readonly maxHeaderBytes: number;
  readonly tooLargeError: TooLargeErrorFactory;
  readonly observeRefusal: ObserveRefusal;
}

/** The limits above which HTTP/2 requests are reset. The size is advertised to clients. */
export function hardHeaderLimits(maxHeaderBytes: number) {
  return {
    maxHeaderListSize: hardLimitFactor * maxHeaderBytes,
    maxHeaders: hardMaxHeaders,
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

/**
 * Whether an HTTP/2 request is within the limits. In its size, each header counts 32 bytes more.
 */
export function isWithinHeaderLimits(
  { fields, size }: HeaderList,
  { maxHeaderBytes }: HeaderLimits,
): boolean {
  return fields.length <= maxHeaders && size <= maxHeaderBytes;
}

/** The response to an HTTP/2 request that is not within the limits. */
export function oversizedHeadersResponse(
  { fields }: HeaderList,
  request: RefusedRequest,
  limits: HeaderLimits,
): FixedResponse {
  const respond = fields.length > maxHeaders ? tooManyHeadersResponse : largeHeadersResponse;
  return respond(request, limits);
}
