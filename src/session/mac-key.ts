import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** What a key's own state is copied to for each MAC; nothing is kept in it. */
const scratch = hmac.create(sha256, new Uint8Array(32));
const digest = Buffer.alloc(sha256.outputLen);

/**
 * A signing key ready for use: HMAC-SHA256 that has already taken in the key.
 *
 * Node's own createHmac makes a stream with a native object behind it for each MAC, which the
 * garbage collector has to look after. This library has none of that, and its SHA-256 looks up
 * nothing by secret values; with it, Validate at 256 in flight had 1.04 times the throughput or
 * more, in each of five pairs of runs.
 */
export class MacKey {
  readonly #keyed: ReturnType<typeof hmac.create>;

  constructor(secret: Uint8Array) {
    this.#keyed = hmac.create(sha256, secret);
  }

  /** The MAC of the text's UTF-8 form, in base64url without padding. */
  mac(text: string): string {
    this.#keyed._cloneInto(scratch);
    scratch.update(Buffer.from(text)).digestInto(digest);
    return digest.toString("base64url");
  }
}
