import type { IncomingHttpHeaders } from "node:http2";

/** Stands for an authority that no URL can have. RFC 2606 reserves its domain. */
const unknownAuthority = "unknown.invalid";

/**
 * The authority for the URL of an HTTP/2 request. The request's own may be one that no URL can have:
 * grpcio sends a static list of addresses as it is, such as `10.0.0.1:8480,10.0.0.2:8480`.
 */
export function urlAuthority(headers: IncomingHttpHeaders): string {
  const authority = headers[":authority"] ?? headers.host ?? "";
  return URL.canParse(`http://${authority}`) ? authority : unknownAuthority;
}

/** The headers with an authority that a URL can have. */
export function withUrlAuthority(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return { ...headers, ":authority": urlAuthority(headers) };
}
