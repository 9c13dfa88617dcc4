import type { TokenAlgorithm } from "./token-key.ts";

/** A public key as JSON Web Key (RFC 7517), without members that are about its use. */
export type PublicJwk = Readonly<Record<string, string>>;

/** A private key that can sign. */
export interface TokenSigningKey {
  readonly algorithm: TokenAlgorithm;
  readonly publicJwk: PublicJwk;
  /** The token as a JSON Web Signature in its compact form. `alg` is added to the header. */
  sign(
    header: Readonly<Record<string, string>>,
    claims: Readonly<Record<string, unknown>>,
  ): Promise<string>;
}

/** Makes and imports the private keys of tokens. */
export interface TokenSigner {
  /** A new private key in PKCS #8 (DER). */
  generate(algorithm: TokenAlgorithm): Promise<Buffer>;

  /**
   * @param privateKey in PKCS #8 (DER)
   * @throws {RangeError} if the key is not one of this algorithm. The message contains nothing of it.
   */
  import(algorithm: TokenAlgorithm, privateKey: Buffer): Promise<TokenSigningKey>;
}
