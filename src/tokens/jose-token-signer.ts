import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { exportJWK, SignJWT } from "jose";
import type { TokenAlgorithm } from "../session/token-key.ts";
import type { PublicJwk, TokenSigner } from "../session/token-signer.ts";

const generate = promisify(generateKeyPair);
const PKCS8 = { type: "pkcs8", format: "der" } as const;

const curves = { ES256: "P-256", EdDSA: "Ed25519" } as const satisfies Record<
  TokenAlgorithm,
  string
>;

/** Signs tokens with jose (RFC 7515, RFC 7519). */
export const joseTokenSigner: TokenSigner = {
  async generate(algorithm) {
    const { privateKey } =
      algorithm === "ES256"
        ? await generate("ec", { namedCurve: curves.ES256 })
        : await generate("ed25519");
    return privateKey.export(PKCS8);
  },

  async import(algorithm, privateKey) {
    const key = privateKeyOf(privateKey);
    const publicJwk = (await exportJWK(createPublicKey(key))) as PublicJwk;
    if (publicJwk.crv !== curves[algorithm]) {
      throw new RangeError(`the key is of the curve ${publicJwk.crv}, not ${curves[algorithm]}`);
    }
    return {
      algorithm,
      publicJwk,
      sign: (header, claims) =>
        new SignJWT(claims).setProtectedHeader({ ...header, alg: algorithm }).sign(key),
    };
  },
};

function privateKeyOf(der: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: der, ...PKCS8 });
  } catch {
    throw new RangeError("it is not a private key in PKCS #8");
  }
}
