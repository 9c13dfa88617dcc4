/** Tells whether a name matches a pattern. */
export type NamePattern = (name: string) => boolean;

/** Visible ASCII without the asterisk. `.` and `..` are segments of no name. */
const LITERAL = /^(?!\.{1,2}$)[!-)+-~]+$/;

/**
 * Compiles a pattern: segments that must be equal, or `*` for any one segment that is not empty. The
 * first segment must not be `*`, unless `firstMayVary`.
 *
 * @returns undefined if the pattern is none, or has no segment that must be equal
 */
function compile(
  segments: readonly string[],
  separators: RegExp,
  firstMayVary: boolean,
): NamePattern | undefined {
  const isSegment = (segment: string) => segment === "*" || LITERAL.test(segment);
  if (!segments.every(isSegment) || segments.every((segment) => segment === "*")) return undefined;
  if (!firstMayVary && segments[0] === "*") return undefined;
  return (name) => {
    const parts = name.split(separators);
    return (
      parts.length === segments.length &&
      parts.every((part, index) =>
        segments[index] === "*" ? LITERAL.test(part) : segments[index] === part,
      )
    );
  };
}

const MAX_LENGTH = 2048;
const SPIFFE = "spiffe://";

/**
 * The pattern of a DNS name, such as `*.gateways.internal`; upper and lower case are the same. A wildcard
 * of the certificate itself is no name of a host and matches nothing.
 */
export function dnsPattern(pattern: string): NamePattern | undefined {
  if (pattern.length > 253) return undefined;
  const matches = compile(pattern.toLowerCase().split("."), /\./, true);
  return matches && ((name) => matches(name.toLowerCase()));
}

/** The pattern of a SPIFFE ID, such as `spiffe://example.org/shop/*`. The trust domain is fixed. */
export function spiffePattern(pattern: string): NamePattern | undefined {
  if (!pattern.startsWith(SPIFFE) || pattern.length > MAX_LENGTH) return undefined;
  const matches = compile(pattern.slice(SPIFFE.length).split("/"), /\//, false);
  return matches && ((id) => id.startsWith(SPIFFE) && matches(id.slice(SPIFFE.length)));
}

/**
 * The pattern of a JWT's subject: of a SPIFFE ID, or segments between colons and slashes, such as
 * `system:serviceaccount:shop:*`. The separators must be the pattern's, too.
 */
export function subjectPattern(pattern: string): NamePattern | undefined {
  if (pattern.startsWith(SPIFFE)) return spiffePattern(pattern);
  if (pattern.length > MAX_LENGTH) return undefined;
  const matches = compile(pattern.split(/[:/]/), /[:/]/, false);
  const separatorsOf = (text: string) => text.replace(/[^:/]/g, "");
  const separators = separatorsOf(pattern);
  return matches && ((subject) => separatorsOf(subject) === separators && matches(subject));
}
