/** Stands for an authority that no URL can have. RFC 2606 reserves its domain. */
const unknownAuthority = "unknown.invalid";

/**
 * The authority for the URL of an HTTP/2 request. The request's own may be one that no URL can have:
 * grpcio sends a static list of addresses as it is, such as `10.0.0.1:8480,10.0.0.2:8480`.
 */
export function urlAuthority(authority: string): string {
  return URL.canParse(`http://${authority}`) ? authority : unknownAuthority;
}
