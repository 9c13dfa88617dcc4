import { createHmac, createSecretKey, type KeyObject } from "node:crypto";

/** A signing key ready for use: HMAC-SHA256. */
export class MacKey {
  readonly #key: KeyObject;

  constructor(secret: Buffer) {
    this.#key = createSecretKey(secret);
  }

  /** The MAC of the text's UTF-8 form, in base64url without padding. */
  mac(text: string): string {
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}
