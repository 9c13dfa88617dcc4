import { timingSafeEqual } from "node:crypto";
import { SESSION_ID_FORM, type SessionId, SIGNING_KEY_ID_FORM, type SigningKeyId } from "./ids.ts";
import type { MacKey } from "./mac-key.ts";

const VERSION = "v1";
/** 32 bytes in base64url. The last character has two unused bits, which are 0 in the canonical form. */
const CANONICAL_MAC_FORM = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]";

const COOKIE = new RegExp(
  `^${VERSION}\\.(${SESSION_ID_FORM})\\.(${SIGNING_KEY_ID_FORM})\\.(${CANONICAL_MAC_FORM})$`,
);

/** The parts of a well-formed cookie value. Its MAC is not verified yet. */
export interface ParsedCookie {
  readonly sessionId: SessionId;
  readonly signingKeyId: SigningKeyId;
  /** In canonical base64url. */
  readonly mac: string;
}

/**
 * The input of the HMAC. Each part is preceded by its length in bytes, so that different parts never
 * give the same input.
 */
export function macInput(sessionId: string, signingKeyId: string): string {
  return (
    `${Buffer.byteLength(sessionId)}:${sessionId}:` +
    `${Buffer.byteLength(signingKeyId)}:${signingKeyId}`
  );
}

/** The cookie value `v1.<session id>.<signing key id>.<MAC>`. */
export function signCookie(sessionId: SessionId, signingKeyId: SigningKeyId, key: MacKey): string {
  return `${VERSION}.${sessionId}.${signingKeyId}.${key.mac(macInput(sessionId, signingKeyId))}`;
}

/**
 * Parses a cookie value. Undefined if it is malformed: the version, the number of parts, an id, or a
 * MAC that is not 32 bytes in canonical base64url.
 */
export function parseCookie(value: string): ParsedCookie | undefined {
  const parts = COOKIE.exec(value);
  if (parts === null) return undefined;
  const [, sessionId, signingKeyId, mac] = parts;
  return { sessionId, signingKeyId, mac } as ParsedCookie;
}

/** Whether the cookie's MAC was made with the key. Compares in constant time. */
export function isGenuine(cookie: ParsedCookie, key: MacKey): boolean {
  const expected = key.mac(macInput(cookie.sessionId, cookie.signingKeyId));
  // Compared as text: to decode the MACs would take longer than the comparison.
  return timingSafeEqual(Buffer.from(expected, "latin1"), Buffer.from(cookie.mac, "latin1"));
}
