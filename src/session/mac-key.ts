import { hash } from "node:crypto";

const ALGORITHM = "sha256";
/** What the hash function works on at a time, and what it returns. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
/** Room for the text, so that nothing is allocated for the usual one. */
const USUAL_TEXT_BYTES = 128;

/**
 * A signing key ready for use: HMAC-SHA256.
 *
 * It is RFC 2104's two hashes, made by `node:crypto`: `createHmac` makes an object outside of the
 * JavaScript heap for each MAC, which takes more time than the MAC itself, and more again when it is
 * collected.
 */
export class MacKey {
  /** The padded key, and after it what is hashed with it. */
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  /** @param secret at most 64 bytes */
  constructor(secret: Buffer) {
    if (secret.length > BLOCK_BYTES) throw new RangeError("the key of a MAC is too long");
    this.#inner = Buffer.alloc(BLOCK_BYTES + USUAL_TEXT_BYTES, INNER_PAD);
    this.#outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, OUTER_PAD);
    for (const [index, byte] of secret.entries()) {
      this.#inner[index] = byte ^ INNER_PAD;
      this.#outer[index] = byte ^ OUTER_PAD;
    }
  }

  /** The MAC of the text's UTF-8 form, in base64url without padding. */
  mac(text: string): string {
    // As text of one byte for each character: to return a buffer takes longer than the hash.
    const digest = hash(ALGORITHM, this.#innerInput(text), "binary");
    this.#outer.write(digest, BLOCK_BYTES, "latin1");
    return hash(ALGORITHM, this.#outer, "base64url");
  }

  #innerInput(text: string): Buffer {
    const inner = this.#inner;
    return Buffer.byteLength(text) <= USUAL_TEXT_BYTES
      ? inner.subarray(0, BLOCK_BYTES + inner.write(text, BLOCK_BYTES))
      : Buffer.concat([inner.subarray(0, BLOCK_BYTES), Buffer.from(text)]);
  }
}
