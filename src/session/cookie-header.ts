/**
 * The value of the cookie `name` in a Cookie header; undefined if it is not there.
 *
 * Names are compared exactly: browsers keep `__Host-` to themselves in that spelling only, so that
 * `__host-session` may have been planted by a neighbouring host. A name that is there twice is
 * refused as well: one of the two is not ours, and nothing tells which.
 */
export function findCookie(header: string, name: string): string | undefined | "ambiguous" {
  let found: string | undefined;
  for (const pair of header.split(";")) {
    const separator = pair.indexOf("=");
    if (separator < 0 || pair.slice(0, separator).trim() !== name) continue;
    if (found !== undefined) return "ambiguous";
    found = pair.slice(separator + 1).trim();
  }
  return found;
}
