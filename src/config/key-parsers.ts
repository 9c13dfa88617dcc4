/** Parsers for keys and certificates, like those of parsers.ts. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { z } from "zod";
import { parseAuthorities, parseCertificates } from "../files/pem.ts";
import { checked } from "./parsers.ts";

const KEY_BYTES = 32;

export const howToMakeKey =
  "make one with `openssl rand -base64 32` or " +
  "`node -p \"crypto.randomBytes(32).toString('base64')\"`";

/** It cannot encode, so that no key is ever printed. */
export const keyList = z
  .string()
  .transform((list, context): readonly Buffer[] => {
    const items = list.split(",").map((item) => item.trim());
    return items.map((item, index) => {
      const which = `key ${index + 1} of the list`;
      const key = Buffer.from(item, "base64");
      // Buffer skips what is not base64; encoding the key again shows whether it did.
      if (key.length !== KEY_BYTES || key.toString("base64") !== item) {
        context.addIssue(`${which} must be the base64 of ${KEY_BYTES} bytes; ${howToMakeKey}`);
      } else if (items.indexOf(item) < index) {
        context.addIssue(`${which} is there twice; name each key once`);
      }
      return key;
    });
  })
  .describe(`base64 keys of ${KEY_BYTES} bytes each, separated by commas`);

/** Encodes to the certificate's subject. */
export const certificate = z
  .codec(z.string(), checked(parseCertificates), {
    decode: (pem) => pem,
    encode: (pem) => `(${subjectOf(parseCertificates(pem)[0])})`,
  })
  .meta({ description: "a certificate in PEM form", hint: " (-----BEGIN CERTIFICATE-----)" });

/** Encodes to the subjects. */
export const certificateAuthorities = z
  .codec(z.string(), checked(parseAuthorities), {
    decode: (pem) => pem,
    encode: (pem) => `(${parseAuthorities(pem).map(subjectOf).join("; ")})`,
  })
  .meta({
    description: "certificates of authorities in PEM form, roots included",
    hint: " (-----BEGIN CERTIFICATE-----)",
  });

function subjectOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll("\n", ", ");
}

export const privateKey = checked((pem) => createPrivateKey(pem)).meta({
  description: "a private key in PEM form",
  hint: " without a passphrase (-----BEGIN PRIVATE KEY-----)",
});

/** Both in PEM form and valid. */
export function isKeyOfCertificate(certificatePem: string, keyPem: string): boolean {
  return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
}
