/** What a browser makes of a Set-Cookie header. */
export interface ParsedSetCookie {
  readonly name: string;
  readonly value: string;
  /** By lower-case name; an attribute without a value has an empty one. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Name and value together, as browsers count them. */
  readonly bytes: number;
}

const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// cookie-octet of RFC 6265bis: no control characters, space, quote, comma, semicolon, backslash.
const COOKIE_VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/**
 * Parses a Set-Cookie header as RFC 6265bis, section 5.6, has user agents do it, and refuses what
 * they would drop (section 5.7: size, prefix, SameSite=None) or what a server should not send
 * (section 4.1: characters, repeated attributes). Shares no code with what makes the header.
 */
export function parseSetCookie(header: string): ParsedSetCookie {
  const [pair = "", ...rest] = header.split(";");
  const equals = pair.indexOf("=");
  if (equals < 1) throw new Error("no name in the Set-Cookie header");
  const name = pair.slice(0, equals).trim();
  const value = pair.slice(equals + 1).trim();
  if (!COOKIE_NAME.test(name)) throw new Error("the cookie's name is not a token");
  if (!COOKIE_VALUE.test(value)) throw new Error("the cookie's value has characters it must not");

  const attributes = new Map<string, string>();
  for (const attribute of rest) {
    const [key = "", ...parts] = attribute.split("=");
    const lower = key.trim().toLowerCase();
    if (attributes.has(lower)) throw new Error(`the attribute ${lower} is there twice`);
    const text = parts.join("=").trim();
    if (text.length > 1024) throw new Error(`the attribute ${lower} is ignored: too long`);
    attributes.set(lower, text);
  }
  const parsed = { name, value, attributes, bytes: Buffer.byteLength(name + value) };
  refuseWhatBrowsersDrop(parsed);
  return parsed;
}

function refuseWhatBrowsersDrop({ name, attributes, bytes }: ParsedSetCookie): void {
  const secure = attributes.has("secure");
  if (bytes > 4096) throw new Error(`the cookie is dropped: ${bytes} bytes`);
  if (/^__secure-/i.test(name) && !secure) throw new Error("__Secure- without Secure");
  if (/^__host-/i.test(name)) {
    if (!secure) throw new Error("__Host- without Secure");
    if (attributes.get("path") !== "/") throw new Error("__Host- without Path=/");
    if (attributes.has("domain")) throw new Error("__Host- with a Domain");
  }
  if (attributes.get("samesite")?.toLowerCase() === "none" && !secure) {
    throw new Error("SameSite=None without Secure");
  }
  const maxAge = attributes.get("max-age");
  if (maxAge !== undefined && !/^-?\d+$/.test(maxAge)) throw new Error("Max-Age is no number");
}
