import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { isSessionId, isSigningKeyId, type SessionId, type SigningKeyId } from "./ids.ts";

const VERSION = "v1";
const MAC_BYTES = 32;
const MAC_CHARACTERS = 43;

/** The parts of a cookie value whose form is right. Says nothing about its being genuine. */
export interface ParsedCookie {
  readonly sessionId: SessionId;
  readonly signingKeyId: SigningKeyId;
  readonly mac: Buffer;
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

function computeMac(sessionId: string, signingKeyId: string, key: KeyObject): Buffer {
  return createHmac("sha256", key).update(macInput(sessionId, signingKeyId)).digest();
}

/** The cookie value `v1.<session id>.<signing key id>.<MAC>`. */
export function signCookie(
  sessionId: SessionId,
  signingKeyId: SigningKeyId,
  key: KeyObject,
): string {
  const mac = computeMac(sessionId, signingKeyId, key).toString("base64url");
  return `${VERSION}.${sessionId}.${signingKeyId}.${mac}`;
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
  if (mac.length !== MAC_CHARACTERS) return undefined;
  const bytes = Buffer.from(mac, "base64url");
  // Buffer.from forgives: other alphabets, stray characters, unused bits. Encoding back does not.
  if (bytes.length !== MAC_BYTES || bytes.toString("base64url") !== mac) return undefined;
  return { sessionId, signingKeyId, mac: bytes } as ParsedCookie;
}

/** Whether the key made the cookie's MAC; compared in constant time. */
export function isGenuine(cookie: ParsedCookie, key: KeyObject): boolean {
  return timingSafeEqual(computeMac(cookie.sessionId, cookie.signingKeyId, key), cookie.mac);
}
