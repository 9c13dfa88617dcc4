import { isIP } from "node:net";
import type {
  AttributeContext,
  AttributeContext_HttpRequest as HttpAttributes,
} from "../../../gen/es/envoy/service/auth/v3/attribute_context_pb.ts";

/** The request of a browser that Envoy asks about. */
export interface BrowserRequest {
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  /** With the query. */
  readonly path: string;
  /** A header's values, joined; undefined if the request does not have it. Names are in lower case. */
  header(name: string): string | undefined;
  /** The address that Envoy vouches for; empty if it is not known. */
  readonly ipAddress: string;
}

/**
 * The request in Envoy's attributes. Undefined if they have none, as those of the network filter.
 *
 * @param trustedHops how many proxies before Envoy are trusted
 */
export function browserRequest(
  attributes: AttributeContext | undefined,
  trustedHops: number,
): BrowserRequest | undefined {
  const http = attributes?.request?.http;
  if (http === undefined || http.method === "") return undefined;
  const header = headersOf(http);
  return {
    method: http.method,
    scheme: http.scheme,
    host: http.host,
    path: http.path,
    header,
    ipAddress: forwardedAddress(header, trustedHops) ?? sourceAddress(attributes) ?? "",
  };
}

/** Envoy sends a map of headers, or a list with `encode_raw_headers`. */
function headersOf({ headers, headerMap }: HttpAttributes): BrowserRequest["header"] {
  const listed = headerMap?.headers ?? [];
  if (listed.length === 0)
    return (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined);
  return (name) => {
    const values = listed
      .filter(({ key }) => key.toLowerCase() === name)
      .map(({ value, rawValue }) => value || Buffer.from(rawValue).toString());
    // As HTTP joins lines of one header (RFC 9110, section 5.3), and those of Cookie (RFC 9113, 8.2.3).
    return values.length === 0 ? undefined : values.join(name === "cookie" ? "; " : ", ");
  };
}

/** The peer of Envoy's connection, whatever the headers say. */
function sourceAddress(attributes: AttributeContext | undefined): string | undefined {
  const address = attributes?.source?.address?.address;
  return address?.case === "socketAddress" ? validAddress(address.value.address) : undefined;
}

/**
 * With `use_remote_address`, Envoy has appended its peer to x-forwarded-for, and each trusted proxy the
 * peer of its own. Undefined without such proxies, or where the header is shorter: then the request has
 * not come through all of them, and Envoy goes by its peer, too.
 */
function forwardedAddress(
  header: BrowserRequest["header"],
  trustedHops: number,
): string | undefined {
  if (trustedHops === 0) return undefined;
  const addresses = (header("x-forwarded-for") ?? "").split(",");
  return validAddress(addresses.at(-1 - trustedHops)?.trim());
}

function validAddress(text = ""): string | undefined {
  return isIP(text) !== 0 && !text.includes("%") ? text : undefined;
}
