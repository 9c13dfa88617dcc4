import { X509Certificate } from "node:crypto";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * The certificates of a PEM text, in their order. Text between them is ignored.
 *
 * @throws {Error} if there is none, or one is not whole or not valid
 */
export function parseCertificates(pem: string): [X509Certificate, ...X509Certificate[]] {
  const [first, ...rest] = pem.match(CERTIFICATE) ?? [];
  if (first === undefined || pem.replace(CERTIFICATE, "").includes("-----BEGIN CERTIFICATE-----")) {
    throw new Error("it must have whole certificates in PEM form");
  }
  return [new X509Certificate(first), ...rest.map((block) => new X509Certificate(block))];
}

/**
 * The certificates of authorities of a PEM text.
 *
 * @throws {Error} also if none of them is a root: OpenSSL trusts a chain only up to its root
 */
export function parseAuthorities(pem: string): readonly X509Certificate[] {
  const certificates = parseCertificates(pem);
  if (!certificates.some((certificate) => certificate.checkIssued(certificate))) {
    throw new Error("it must have a root (self-signed) certificate");
  }
  return certificates;
}
