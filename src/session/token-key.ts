import type { Instant } from "./clock.ts";
import type { TokenKeyId } from "./ids.ts";
import type { EncryptedKey, WrapContext } from "./key-wrapper.ts";

/** As JSON Web Algorithms (RFC 7518, RFC 8037) name them. */
export type TokenAlgorithm = "ES256" | "EdDSA";

/** A key that signs tokens, without its material. It is of no tenant. */
export interface TokenKey {
  readonly id: TokenKeyId;
  readonly algorithm: TokenAlgorithm;
  readonly createdAt: Instant;
  /** It is published before, so that those who verify tokens know it by then. */
  readonly signsFrom: Instant;
  /** Nobody verifies tokens with it from then on. Undefined: no rotation has replaced it. */
  readonly publishedUntil: Instant | undefined;
}

/** The private key, in PKCS #8, is the material. The public key follows from it. */
export interface StoredTokenKey extends TokenKey {
  readonly encrypted: EncryptedKey;
}

export type NewTokenKey = Pick<StoredTokenKey, "id" | "algorithm" | "encrypted">;

/** `PUBLISHED`: not signing yet. `RETIRED`: others sign, or nobody verifies with it any more. */
export type TokenKeyState = "PUBLISHED" | "ACTIVE" | "RETIRED";

/** A token is valid for this long at most, whatever its lifetime is set to. */
export const MAX_TOKEN_LIFETIME_MS = 5 * 60_000;
/** For clocks of those who verify that are behind the database's. */
const MAX_CLOCK_DIFFERENCE_MS = 60_000;
/** How long a key is published after another one has begun to sign. */
export const KEEP_PUBLISHED_MS = MAX_TOKEN_LIFETIME_MS + MAX_CLOCK_DIFFERENCE_MS;

export function tokenKeyContext({ id }: Pick<TokenKey, "id">): WrapContext {
  return { id, tenantId: "" };
}

export function isPublished({ publishedUntil }: TokenKey, now: Instant): boolean {
  return publishedUntil === undefined || now < publishedUntil;
}

/**
 * The keys that may sign now, the one that should first: that with the latest `signsFrom`. They are
 * published until what they sign has expired.
 */
export function signingOrder<Key extends TokenKey>(
  keys: readonly Key[],
  now: Instant,
  lifetimeMs: number,
): readonly Key[] {
  return keys
    .filter((key) => key.signsFrom <= now && isPublished(key, now + lifetimeMs))
    .sort((a, b) => b.signsFrom - a.signsFrom || end(b) - end(a));
}

function end({ publishedUntil }: TokenKey): number {
  return publishedUntil ?? Number.MAX_SAFE_INTEGER;
}

export function tokenKeyStateAt(
  { signsFrom, publishedUntil }: TokenKey,
  now: Instant,
): TokenKeyState {
  if (publishedUntil !== undefined && now >= publishedUntil - KEEP_PUBLISHED_MS) return "RETIRED";
  return now < signsFrom ? "PUBLISHED" : "ACTIVE";
}
