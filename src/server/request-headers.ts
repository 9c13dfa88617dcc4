import type { IncomingHttpHeaders } from "node:http";

/** Headers of which a request has one. Of several, node:http keeps the first. */
const singleHeaders = new Set([
  "age",
  "authorization",
  "content-length",
  "content-type",
  "etag",
  "expires",
  "from",
  "host",
  "if-modified-since",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "proxy-authorization",
  "referer",
  "retry-after",
  "server",
  "user-agent",
]);

/**
 * The headers of an HTTP/2 request with repeated ones joined or dropped, as node:http does it for
 * HTTP/1.1. Pseudo-headers are left out.
 *
 * @param raw names and values in turn
 */
export function joinHeaders(raw: readonly string[]): IncomingHttpHeaders {
  // Without a prototype, since the names are the client's.
  const headers: IncomingHttpHeaders = Object.create(null);
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    const value = raw[index + 1] as string;
    const existing = headers[name];
    if (name.startsWith(":")) continue;
    if (name === "set-cookie") headers[name] = [...(headers[name] ?? []), value];
    else if (existing === undefined) headers[name] = value;
    else if (!singleHeaders.has(name)) {
      headers[name] = `${existing}${name === "cookie" ? "; " : ", "}${value}`;
    }
  }
  return headers;
}

/** The headers of a request as fetch has them, without pseudo-headers. */
export function toFetchHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) result.append(name, one);
  }
  return result;
}
