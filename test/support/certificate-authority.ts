/** Makes X.509 certificates, so that tests can have expired ones, wrong ones and new ones at any time. */

import {
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
  randomBytes,
  sign,
} from "node:crypto";
import { isIP } from "node:net";

export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** The common name of the subject. */
  readonly name?: string;
  /** Subject alternative names, such as `dns:localhost`, `uri:spiffe://example.org/a` or `ip:127.0.0.1`. */
  readonly san?: readonly string[];
  /** What the key may be used for; a client and a server by default. */
  readonly usage?: readonly ("client" | "server")[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export interface CertificateAuthority {
  /** Its own certificate, in PEM form. */
  readonly certificate: string;
  issue(options?: CertificateOptions): IssuedCertificate;
  /** An intermediate authority, whose certificate this one signs. */
  intermediate(name: string): CertificateAuthority;
}

const DAY_MS = 86_400_000;
/** The names by which clients reach a server of a test. */
export const LOCAL_NAMES = ["dns:localhost", "ip:127.0.0.1", "ip:::1"];

export function createAuthority(name = "test authority"): CertificateAuthority {
  const keys = newKeys();
  return authority(name, keys, makeCertificate(name, keys, name, keys.privateKey, { ca: true }));
}

function authority(
  name: string,
  keys: KeyPairKeyObjectResult,
  certificate: string,
): CertificateAuthority {
  return {
    certificate,
    issue(options = {}) {
      const leaf = newKeys();
      const { name: subject = "test", ...rest } = options;
      return {
        certificate: makeCertificate(subject, leaf, name, keys.privateKey, { ca: false, ...rest }),
        key: leaf.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      };
    },
    intermediate(subject) {
      const own = newKeys();
      const signed = makeCertificate(subject, own, name, keys.privateKey, { ca: true });
      return authority(subject, own, signed);
    },
  };
}

function newKeys(): KeyPairKeyObjectResult {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

// DER (X.690), as far as RFC 5280 needs it here.
const SEQUENCE = 0x30;
const SET = 0x31;
const OCTET_STRING = 0x04;
const BIT_STRING = 0x03;

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  // DER has no longer form than the length needs, and Go refuses one.
  if (body.length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, body.length]), body]);
  const length = Buffer.from([body.length >> 8, body.length & 0xff]);
  return Buffer.concat([Buffer.from([tag, 0x82]), length, body]);
}

const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const boolean = (value: boolean) => der(0x01, Buffer.from([value ? 0xff : 0]));
const bits = (content: Buffer) => der(BIT_STRING, Buffer.from([0]), content);
const time = (date: Date) =>
  der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\.\d+Z/g, "")}Z`));
const distinguishedName = (name: string) =>
  der(SEQUENCE, der(SET, der(SEQUENCE, oid("550403"), der(0x0c, Buffer.from(name)))));

const ECDSA_WITH_SHA256 = der(SEQUENCE, oid("2a8648ce3d040302"));
const USAGES = { client: oid("2b06010505070302"), server: oid("2b06010505070301") };

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return der(SEQUENCE, oid(id), boolean(critical), der(OCTET_STRING, value));
}

function generalName(san: string): Buffer {
  const [, kind, value = ""] = /^(dns|uri|ip):(.*)$/s.exec(san) ?? [];
  if (kind === "dns") return der(0x82, Buffer.from(value));
  if (kind === "uri") return der(0x86, Buffer.from(value));
  if (kind === "ip" && isIP(value) === 4)
    return der(0x87, Buffer.from(value.split(".").map(Number)));
  if (value === "::1") return der(0x87, Buffer.from([...Array(15).fill(0), 1]));
  throw new Error(`no such subject alternative name can be made: ${san}`);
}

function makeCertificate(
  subject: string,
  keys: KeyPairKeyObjectResult,
  issuer: string,
  issuerKey: KeyObject,
  options: CertificateOptions & { readonly ca: boolean },
): string {
  const { ca, san = [], usage = ["client", "server"] } = options;
  const { notBefore = new Date(Date.now() - DAY_MS) } = options;
  const { notAfter = new Date(Date.now() + 365 * DAY_MS) } = options;
  const extensions = [
    extension("551d13", true, ca ? der(SEQUENCE, boolean(true)) : der(SEQUENCE)),
    ...(san.length > 0 ? [extension("551d11", false, der(SEQUENCE, ...san.map(generalName)))] : []),
    ...(ca
      ? []
      : [extension("551d25", false, der(SEQUENCE, ...usage.map((name) => USAGES[name])))]),
  ];
  const content = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    distinguishedName(issuer),
    der(SEQUENCE, time(notBefore), time(notAfter)),
    distinguishedName(subject),
    keys.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(SEQUENCE, ...extensions)),
  );
  const signature = sign("sha256", content, issuerKey);
  const certificate = der(SEQUENCE, content, ECDSA_WITH_SHA256, bits(signature));
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
