import { timingSafeEqual } from "node:crypto";
import { isSessionId, isSigningKeyId, type SessionId, type SigningKeyId } from "./ids.ts";
import type { MacKey } from "./mac-key.ts";

const VERSION = "v1";
/** 32 bytes in base64url, of which the last two bits are unused: only one spelling is canonical. */
const CANONICAL_MAC = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** The parts of a cookie value whose form is right. Says nothing about its being genuine. */
export interface ParsedCookie {
  readonly sessionId: SessionId;
  readonly signingKeyId: SigningKeyId;
  /** In canonical base64url. */
  readonly mac: string;
}

/**
 * The HMAC's input. Each part is preceded by its length in bytes, so that no byte can move from
 * one part to the other and leave the input the same.
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
 * Takes a cookie value apart. Undefined if anything about its form is off: the version, the
 * number of parts, the ids, or a MAC that is not the one canonical base64url of 32 bytes.
 */
export function parseCookie(value: string): ParsedCookie | undefined {
  const [version, sessionId, signingKeyId, mac, ...rest] = value.split(".", 5);
  if (version !== VERSION || mac === undefined || rest.length > 0) return undefined;
  if (!isSessionId(sessionId as string) || !isSigningKeyId(signingKeyId as string))
    return undefined;
  if (!CANONICAL_MAC.test(mac)) return undefined;
  return { sessionId, signingKeyId, mac } as ParsedCookie;
}

/** Whether the key made the cookie's MAC; compared in constant time. */
export function isGenuine(cookie: ParsedCookie, key: MacKey): boolean {
  const expected = key.mac(macInput(cookie.sessionId, cookie.signingKeyId));
  // As text: to make a buffer of the digest takes longer than to compare the two.
  return timingSafeEqual(Buffer.from(expected, "latin1"), Buffer.from(cookie.mac, "latin1"));
}
