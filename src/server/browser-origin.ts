import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import type { ConnectError } from "@connectrpc/connect";
import type { ForbiddenErrorFactory } from "./request-errors.ts";

/** Which web pages may call the server, and under which names. */
export interface OriginLimits {
  /**
   * The names that a plain HTTP/1.1 request may have in `Host`, in lower case and without port. IP
   * addresses and `localhost` are always allowed. Undefined allows every name.
   */
  readonly allowedHosts: readonly string[] | undefined;
  /** The values of `Origin` that are allowed, such as `https://app.example.com`. */
  readonly allowedOrigins: readonly string[];
}

/** Returns the error for a request that a foreign web page may have sent; undefined for all others. */
export type OriginCheck = (
  headers: IncomingHttpHeaders,
  isPlainHttp1: boolean,
) => ConnectError | undefined;

/** What a browser sends for requests between different sites, and between subdomains of one. */
const foreignSites = ["cross-site", "same-site"];

/**
 * Whether a browser may have sent the request. Every browser sends `Origin` with a POST, also to its
 * own site; `Sec-Fetch-Site` only to `https:` and loopback. Other clients send neither.
 */
export function isFromBrowser(headers: IncomingHttpHeaders): boolean {
  return headers.origin !== undefined || headers["sec-fetch-site"] !== undefined;
}

/**
 * Refuses what a web page sends that the operator has not allowed. A page can reach every server that
 * its visitor's machine can, and it is of the same origin as the server if its own name resolves to the
 * server's address (DNS rebinding).
 *
 * `Host` is checked over plain HTTP/1.1 only. Browsers speak HTTP/2 over TLS only, and TLS has no
 * certificate for the page's name. gRPC clients send all kinds of `:authority`.
 */
export function createOriginCheck(
  { allowedHosts, allowedOrigins }: OriginLimits,
  forbiddenError: ForbiddenErrorFactory,
): OriginCheck {
  const origins = new Set(allowedOrigins);
  const hosts = allowedHosts && new Set(allowedHosts);

  return (headers, isPlainHttp1) => {
    const { origin } = headers;
    if (origin !== undefined && !origins.has(origin)) {
      return forbiddenError("web pages of this Origin may not call this server", "allowedOrigins");
    }
    const site = headers["sec-fetch-site"];
    if (origin === undefined && typeof site === "string" && foreignSites.includes(site)) {
      const message = "web pages of another site may not call this server";
      return forbiddenError(message, "allowedOrigins");
    }
    if (isPlainHttp1 && hosts !== undefined && !isOwnName(headers.host ?? "", hosts)) {
      return forbiddenError("this server has no such name as the Host header", "allowedHosts");
    }
    return undefined;
  };
}

/** A value of `Host` that no URL can have is not ours to refuse: it gets status 400. */
function isOwnName(host: string, hosts: ReadonlySet<string>): boolean {
  const url = URL.parse(`http://${host}`);
  if (url === null) return true;
  const { hostname } = url;
  const isAddress = isIP(hostname) !== 0 || hostname.startsWith("[");
  return isAddress || hostname === "localhost" || hosts.has(hostname);
}
