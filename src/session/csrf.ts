import { hash, timingSafeEqual } from "node:crypto";
import type { RandomBytes } from "./ids.ts";

const TOKEN_BYTES = 32;

/** The safe methods of RFC 9110, section 9.2.1. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

export interface MintedCsrfToken {
  /** Returned to the caller once, and not stored. */
  readonly token: string;
  /** Stored in the session's row. */
  readonly hash: Buffer;
}

/**
 * SHA-256 without salt or key stretching is enough: the token has 256 random bits, so it cannot be
 * guessed.
 */
export function hashCsrfToken(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

export function mintCsrfToken(random: RandomBytes): MintedCsrfToken {
  const token = random(TOKEN_BYTES).toString("base64url");
  return { token, hash: hashCsrfToken(token) };
}

/** Whether the token has this hash. Compares in constant time. */
export function csrfTokenMatches(token: string, hash: Buffer): boolean {
  return timingSafeEqual(hashCsrfToken(token), hash);
}

/** Whether requests with this HTTP method need no CSRF token. Methods are case-sensitive. */
export function isSafeMethod(method: string): boolean {
  return SAFE_METHODS.has(method);
}
