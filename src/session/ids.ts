import { randomBytes } from "node:crypto";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** `ses-` and 44 lower-case hexadecimal digits. Not a credential. */
export type SessionId = Branded<"SessionId">;
/** `sk-` and 32 lower-case hexadecimal digits. */
export type SigningKeyId = Branded<"SigningKeyId">;
/** `tk-` and 32 lower-case hexadecimal digits. The `kid` of tokens and in the JSON Web Key Set. */
export type TokenKeyId = Branded<"TokenKeyId">;
/** Never empty: an empty tenant of a request has become DEFAULT_TENANT. */
export type TenantId = Branded<"TenantId">;

export const DEFAULT_TENANT = "default" as TenantId;

/** The forms of ids, as the source of a regular expression. */
export const SESSION_ID_FORM = "ses-[0-9a-f]{44}";
export const SIGNING_KEY_ID_FORM = "sk-[0-9a-f]{32}";
export const TOKEN_KEY_ID_FORM = "tk-[0-9a-f]{32}";

const SESSION_ID = new RegExp(`^${SESSION_ID_FORM}$`);
const SIGNING_KEY_ID = new RegExp(`^${SIGNING_KEY_ID_FORM}$`);
const TOKEN_KEY_ID = new RegExp(`^${TOKEN_KEY_ID_FORM}$`);

/** Returns `size` random bytes from a cryptographically secure source, or throws. */
export type RandomBytes = (size: number) => Buffer;

/** Enough for the ids and tokens of 85 sessions. */
const BLOCK_BYTES = 4096;

/**
 * Random bytes of node:crypto's randomBytes, which is asked for a block at a time: one of its calls takes
 * as long for 4096 bytes as for a few. Each byte is given out once, and then cleared in the block.
 *
 * Neither a block nor what is given out is a part of Node's pool of memory for buffers: bytes that are left
 * there could come to light in a buffer that somebody else does not fill completely.
 */
export function randomBytesInBlocks(): RandomBytes {
  let block = Buffer.alloc(0);
  let used = 0;
  return (size) => {
    if (size > BLOCK_BYTES) return randomBytes(size);
    if (used + size > block.length) {
      block = randomBytes(BLOCK_BYTES);
      used = 0;
    }
    const end = used + size;
    const bytes = Buffer.alloc(size);
    bytes.set(block.subarray(used, end));
    block.fill(0, used, end);
    used = end;
    return bytes;
  };
}

export const secureRandomBytes: RandomBytes = randomBytesInBlocks();

/**
 * A new session id: 48 bits of time, so that new rows go to the end of the primary key's index, and
 * 128 random bits (ASVS 7.2.3). Hexadecimal digits sort like the bytes. No rule depends on the time:
 * if a replica's clock is wrong, only this locality is lost.
 *
 * @param timeMs whole milliseconds since the Unix epoch, before the year 10889
 */
export function mintSessionId(random: RandomBytes, timeMs: number): SessionId {
  const time = timeMs.toString(16).padStart(12, "0");
  return `ses-${time}${random(16).toString("hex")}` as SessionId;
}

export function mintSigningKeyId(random: RandomBytes): SigningKeyId {
  return `sk-${random(16).toString("hex")}` as SigningKeyId;
}

export function mintTokenKeyId(random: RandomBytes): TokenKeyId {
  return `tk-${random(16).toString("hex")}` as TokenKeyId;
}

export function isSessionId(text: string): text is SessionId {
  return SESSION_ID.test(text);
}

export function isSigningKeyId(text: string): text is SigningKeyId {
  return SIGNING_KEY_ID.test(text);
}

export function isTokenKeyId(text: string): text is TokenKeyId {
  return TOKEN_KEY_ID.test(text);
}
