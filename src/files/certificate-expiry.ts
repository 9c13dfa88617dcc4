import { parseCertificates } from "./pem.ts";

const DAY_MS = 86_400_000;
const WARNING_MS = 7 * DAY_MS;

export interface CertificateExpiry {
  /** Of the certificate of the chain that expires first. */
  readonly subject: string;
  readonly expiresAt: Date;
  /**
   * `expiring` in the last 7 days, or in the last third of a shorter life: certificates that live for
   * hours are normal, and are renewed before.
   */
  readonly state: "valid" | "expiring" | "expired";
}

/**
 * When the chain is no longer valid.
 *
 * @param pem the chain
 * @param now milliseconds since the Unix epoch
 * @throws {Error} if it is not a chain in PEM form
 */
export function certificateExpiry(pem: string, now: number): CertificateExpiry {
  const [first, ...rest] = parseCertificates(pem);
  const earliest = rest.reduce((a, b) => (b.validToDate < a.validToDate ? b : a), first);
  const expiresAt = earliest.validToDate;
  const left = expiresAt.getTime() - now;
  const life = expiresAt.getTime() - earliest.validFromDate.getTime();
  const state = left < 0 ? "expired" : left < Math.min(WARNING_MS, life / 3) ? "expiring" : "valid";
  return { subject: earliest.subject.replaceAll("\n", ", "), expiresAt, state };
}
