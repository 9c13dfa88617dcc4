import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Config } from "../../config/config.ts";
import { isLoopback } from "../../config/loopback.ts";
import { type Check, type Finding, ok, problem, roughDuration, warning } from "./finding.ts";

const EXPIRING_MS = 7 * 86_400_000;

type Tls = NonNullable<Config["server"]["tls"]>;

/** The certificate of the service: its key, its life, its names and the authorities of its clients. */
export const tls: Check = {
  name: "tls",
  isOnline: false,
  async run({ config, cli }) {
    if (config === undefined) return [];
    const { tls: credentials, host } = config.server;
    if (credentials !== undefined) return judgeTls(credentials, cli.host.now());
    if (isLoopback(host)) return [ok("plain HTTP, on this machine only")];
    return [
      warning(
        "plain HTTP on the network: whoever is on the way can read cookies and tokens",
        "set SESSIOND_TLS_CERT and SESSIOND_TLS_KEY, unless a proxy or a mesh encrypts",
      ),
    ];
  },
};

/** @param now milliseconds since 1970 */
export function judgeTls({ certificate, key, clientCa }: Tls, now: number): readonly Finding[] {
  const findings: Finding[] = [];
  try {
    createSecureContext({
      cert: certificate,
      key,
      ...(clientCa !== undefined && { ca: clientCa }),
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    findings.push(problem(`OpenSSL refuses the certificate or the key: ${why}`, "replace them"));
  }
  const chain = certificatesOf(certificate);
  findings.push(...judgeLife("certificate", chain, now), ...judgeChain(chain));
  const [leaf] = chain;
  if (leaf !== undefined && leaf.subjectAltName === undefined) {
    findings.push(
      problem(
        "the certificate has no names (subjectAltName): clients refuse it",
        "have one signed for the names by which clients call",
      ),
    );
  }
  if (clientCa !== undefined) {
    findings.push(...judgeLife("client authority", certificatesOf(clientCa), now));
  }
  if (findings.length === 0) {
    const names = leaf?.subjectAltName?.replaceAll(/\b(DNS|IP Address):/g, "") ?? "";
    findings.push(
      ok(`the certificate is valid until ${leaf?.validToDate.toISOString()}, for ${names}`),
    );
  }
  return findings;
}

function certificatesOf(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function judgeLife(
  what: string,
  certificates: readonly X509Certificate[],
  now: number,
): readonly Finding[] {
  return certificates.flatMap(({ subject, validFromDate, validToDate }) => {
    const name = `the ${what} ${subject.replaceAll("\n", ", ")}`;
    const left = validToDate.getTime() - now;
    const life = validToDate.getTime() - validFromDate.getTime();
    const fix = "renew it: files are read again when they change";
    if (left <= 0) return [problem(`${name} has expired`, fix)];
    if (validFromDate.getTime() > now) {
      return [problem(`${name} is not valid yet`, "wait, or set this machine's clock")];
    }
    // Those that live for hours are renewed before.
    if (left >= Math.min(EXPIRING_MS, life / 3)) return [];
    return [warning(`${name} expires in ${roughDuration(left)}`, fix)];
  });
}

/** Each certificate must be signed by the next one. */
function judgeChain(chain: readonly X509Certificate[]): readonly Finding[] {
  const index = chain.slice(1).findIndex((issuer, place) => !chain[place]?.checkIssued(issuer));
  if (index < 0) return [];
  return [
    problem(
      `certificate ${index + 2} of SESSIOND_TLS_CERT has not signed the one before it`,
      "put the server's certificate first, then each authority after what it has signed",
    ),
  ];
}
