import { createHash, timingSafeEqual } from "node:crypto";
import type { RandomBytes } from "./ids.ts";

const TOKEN_BYTES = 32;

export interface MintedCsrfToken {
  /** Goes to the caller, once, and nowhere else. */
  readonly token: string;
  /** Goes to the row. */
  readonly hash: Buffer;
}

/**
 * SHA-256 without salt or stretching is enough here: the token has 256 random bits, so that there
 * is nothing to guess.
 */
export function hashCsrfToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

export function mintCsrfToken(random: RandomBytes): MintedCsrfToken {
  const token = random(TOKEN_BYTES).toString("base64url");
  return { token, hash: hashCsrfToken(token) };
}

/** Whether the token is the one whose hash the row holds; compared in constant time. */
export function csrfTokenMatches(token: string, hash: Buffer): boolean {
  return timingSafeEqual(hashCsrfToken(token), hash);
}
