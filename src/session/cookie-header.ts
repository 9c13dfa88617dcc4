/**
 * The value of the cookie `name` in a Cookie header; undefined if it is not there.
 *
 * Names are compared exactly: browsers keep `__Host-` to themselves in that spelling only, so that
 * `__host-session` may have been planted by a neighbouring host. A name that is there twice is
 * refused as well: one of the two is not ours, and nothing tells which.
 *
 * For the same reason only what browsers strip is stripped, blanks and tabs: a no-break space
 * before the name makes it another name to them, which anyone may plant.
 */
export function findCookie(header: string, name: string): string | undefined | "ambiguous" {
  let found: string | undefined;
  for (const pair of header.split(";")) {
    const separator = pair.indexOf("=");
    if (separator < 0 || stripped(pair.slice(0, separator)) !== name) continue;
    if (found !== undefined) return "ambiguous";
    found = stripped(pair.slice(separator + 1));
  }
  return found;
}

/** By hand, since a regular expression takes quadratic time for a long run of blanks inside. */
function stripped(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
