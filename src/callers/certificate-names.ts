import type { X509Certificate } from "node:crypto";

/** The names in a certificate's subject alternative name that callers are known by. */
export interface CertificateNames {
  readonly dns: readonly string[];
  /** The SPIFFE ID; undefined if there is no URI, or more than one, which SPIFFE forbids. */
  readonly spiffeId: string | undefined;
}

/**
 * One entry of the text that Node makes. A value with characters that would make the text ambiguous is
 * a JSON string there; no DNS name or SPIFFE ID has such characters.
 */
const entry = /([A-Za-z][A-Za-z0-9 ]*):(?:"(?:[^"\\]|\\.)*"|([^",]*))(?:, |$)/y;

export function namesOf({ subjectAltName = "" }: X509Certificate): CertificateNames {
  const dns: string[] = [];
  const uris: (string | undefined)[] = [];
  entry.lastIndex = 0;
  while (entry.lastIndex < subjectAltName.length) {
    const match = entry.exec(subjectAltName);
    // What cannot be read as a whole is not believed in part.
    if (match === null) return { dns: [], spiffeId: undefined };
    const [, kind, value] = match;
    if (kind === "DNS" && value !== undefined) dns.push(value);
    if (kind === "URI") uris.push(value);
  }
  return { dns, spiffeId: uris.length === 1 ? uris[0] : undefined };
}
