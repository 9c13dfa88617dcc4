/**
 * The value of the cookie `name` in a Cookie header. Undefined if the header does not have it,
 * `ambiguous` if it has it twice: another host has set one of the two, and nothing tells which.
 *
 * Names are compared exactly. Browsers protect the prefix `__Host-` only in this spelling, so another
 * host of the same site may have set `__host-session`.
 *
 * For the same reason, this strips only what browsers strip: spaces and tabs. With a no-break space
 * in front, a name is another name for browsers, which any host may set.
 */
export function findCookie(header: string, name: string): string | undefined | "ambiguous" {
  let found: string | undefined;
  for (const pair of header.split(";")) {
    const separator = pair.indexOf("=");
    if (separator < 0 || strip(pair.slice(0, separator)) !== name) continue;
    if (found !== undefined) return "ambiguous";
    found = strip(pair.slice(separator + 1));
  }
  return found;
}

/** Without a regular expression, which takes quadratic time for a long run of spaces in the middle. */
function strip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
