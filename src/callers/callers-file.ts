import { type Caller, type Role, roles } from "./caller.ts";
import type { CertificateNames } from "./certificate-names.ts";
import { dnsPattern, type NamePattern, spiffePattern, subjectPattern } from "./name-pattern.ts";

/** One line of the callers file: a credential, and who has it. */
export interface CallerLine {
  readonly caller: Caller;
  /** How the caller shows who it is: the key of the line that says it. */
  readonly credential: (typeof CREDENTIALS)[number];
  /** Of certificates or subjects, as it is written; undefined for a token. */
  readonly pattern: string | undefined;
  /** In milliseconds since 1970; Infinity without an expiry. */
  readonly expiresAt: number;
}

/** What callers can present. */
export interface AcceptedCredentials {
  readonly jwts: boolean;
  readonly certificates: boolean;
}

/** What a callers file says. */
export interface CallerDirectory {
  /** All lines, in their order. */
  readonly lines: readonly CallerLine[];
  /** The number of lines that are not expired. */
  liveCount(now: number): number;
  /** By the SHA-256 of the token, in lower-case hexadecimal. Also an expired line. */
  byToken(sha256: string): CallerLine | undefined;
  /** The first line that is not expired and matches one of the certificate's names. */
  byCertificate(names: CertificateNames, now: number): CallerLine | undefined;
  /** The first line that is not expired and matches the subject of a JWT. */
  bySubject(subject: string, now: number): CallerLine | undefined;
}

/** The callers file cannot be used. The message names the lines and quotes nothing from them. */
export class CallersFileError extends Error {
  override readonly name = "CallersFileError";
}

const KEYS = [
  "name",
  "role",
  "tenants",
  "expires_at",
  "token_sha256",
  "certificate_san",
  "jwt_subject",
];
const CREDENTIALS = ["token_sha256", "certificate_san", "jwt_subject"] as const;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$/;
/** The name by which sessiond's own changes are audited. */
const RESERVED_NAME = "sessiond";
const SHA256 = /^[0-9a-f]{64}$/i;
/** RFC 3339. Date.parse accepts many other formats. */
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const MAX_TENANT_BYTES = 128;
/** How many problems are told. */
const MAX_PROBLEMS = 10;

/** What a caller's name must be. */
export const CALLER_NAME_RULE =
  "1 to 128 letters, digits or any of ._:/@-, beginning with a letter or digit; not " +
  `${RESERVED_NAME}, which is reserved`;

export function isCallerName(text: string): boolean {
  return NAME.test(text) && text !== RESERVED_NAME;
}

/** What a tenant's id must be. */
export const TENANT_ID_RULE = `1 to ${MAX_TENANT_BYTES} bytes without control characters`;

export function isTenantId(text: string): boolean {
  return (
    text.trim() !== "" &&
    text.isWellFormed() &&
    !/\p{Cc}/u.test(text) &&
    Buffer.byteLength(text) <= MAX_TENANT_BYTES
  );
}

type Fields = Readonly<Record<string, unknown>>;
type PatternLine = CallerLine & { readonly matches: NamePattern };

/** A line is wrong; the message completes a sentence that begins with its number. */
class LineError extends Error {}

/**
 * Parses a callers file: JSON Lines, in which blank lines and those that begin with `#` are ignored.
 *
 * @param accepts which credentials can be presented, besides tokens
 * @throws {CallersFileError} if any line is wrong, or a credential is there twice
 */
export function parseCallersFile(text: string, accepts: AcceptedCredentials): CallerDirectory {
  const problems: string[] = [];
  const lineOfCredential = new Map<string, number>();
  const lines: CallerLine[] = [];
  const tokens = new Map<string, CallerLine>();
  const dns: PatternLine[] = [];
  const spiffe: PatternLine[] = [];
  const subjects: PatternLine[] = [];

  function add(fields: Fields, number: number): void {
    const caller = callerOf(fields);
    const expiresAt = expiryOf(fields.expires_at);
    const [kind, credential] = credentialOf(fields);
    const pattern = kind === "token_sha256" ? undefined : credential;
    const line = { caller, expiresAt, credential: kind, pattern };
    if (kind === "jwt_subject" && !accepts.jwts) {
      throw new LineError("has a jwt_subject, for which SESSIOND_JWT_JWKS must be set");
    }
    if (kind === "certificate_san" && !accepts.certificates) {
      throw new LineError("has a certificate_san, for which SESSIOND_TLS_CLIENT_CA must be set");
    }
    const earlier = lineOfCredential.get(`${kind} ${credential}`);
    if (earlier !== undefined) throw new LineError(`has the same ${kind} as line ${earlier}`);
    lineOfCredential.set(`${kind} ${credential}`, number);
    lines.push(line);
    if (kind === "token_sha256") tokens.set(credential, line);
    else if (kind === "jwt_subject") subjects.push({ ...line, matches: subjectOf(credential) });
    else if (credential.startsWith("dns:")) dns.push({ ...line, matches: sanOf(credential) });
    else spiffe.push({ ...line, matches: sanOf(credential) });
  }

  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    try {
      add(fieldsOf(content), index + 1);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      problems.push(`line ${index + 1} ${error.message}`);
    }
  }
  if (problems.length > 0) {
    const more = problems.length - MAX_PROBLEMS;
    const told = problems.slice(0, MAX_PROBLEMS).concat(more > 0 ? `${more} more` : []);
    throw new CallersFileError(told.join("; "));
  }

  const first = (candidates: readonly PatternLine[], names: readonly string[], now: number) =>
    candidates.find(({ expiresAt, matches }) => now < expiresAt && names.some(matches));
  return {
    lines,
    liveCount: (now) => lines.filter(({ expiresAt }) => now < expiresAt).length,
    byToken: (sha256) => tokens.get(sha256),
    byCertificate: ({ spiffeId, dns: names }, now) =>
      (spiffeId === undefined ? undefined : first(spiffe, [spiffeId], now)) ??
      first(dns, names, now),
    bySubject: (subject, now) => first(subjects, [subject], now),
  };
}

function fieldsOf(line: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // The parser's own message quotes the line.
    throw new LineError("is not JSON: it must be one object, all of it on the line");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LineError("must be a JSON object");
  }
  const unknown = Object.keys(value).some((key) => !KEYS.includes(key));
  if (unknown) throw new LineError(`has a key that is none of ${KEYS.join(", ")}`);
  return value as Fields;
}

function callerOf({ name, role, tenants }: Fields): Caller {
  if (typeof name !== "string" || !isCallerName(name)) {
    throw new LineError(`needs a name: ${CALLER_NAME_RULE}`);
  }
  if (!roles.includes(role as Role)) {
    throw new LineError(`needs a role: one of ${roles.join(", ")}`);
  }
  return { name, role: role as Role, tenants: tenantsOf(tenants), clientKey: name, limitKey: name };
}

function tenantsOf(tenants: unknown): ReadonlySet<string> | undefined {
  if (tenants === undefined) return undefined;
  const isId = (tenant: unknown) => typeof tenant === "string" && isTenantId(tenant);
  const isList = Array.isArray(tenants) && tenants.length > 0 && tenants.every(isId);
  if (!isList) {
    throw new LineError(
      `has tenants that are not a list of one or more ids of ${TENANT_ID_RULE}: ` +
        '["*"], or no list, for all tenants',
    );
  }
  if (!tenants.includes("*")) return new Set(tenants);
  if (tenants.length > 1)
    throw new LineError('has tenants with "*" and others: "*" is all of them');
  return undefined;
}

function expiryOf(expiresAt: unknown): number {
  if (expiresAt === undefined) return Number.POSITIVE_INFINITY;
  const isTimestamp = typeof expiresAt === "string" && TIMESTAMP.test(expiresAt);
  const time = isTimestamp ? Date.parse(expiresAt) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new LineError('has an expires_at that is no time such as "2027-01-01T00:00:00Z"');
  }
  return time;
}

function credentialOf(fields: Fields): [(typeof CREDENTIALS)[number], string] {
  const given = CREDENTIALS.filter((kind) => Object.hasOwn(fields, kind));
  const [kind] = given;
  if (kind === undefined || given.length > 1) {
    throw new LineError(`needs exactly one of ${CREDENTIALS.join(", ")}`);
  }
  const value = fields[kind];
  const text = typeof value === "string" ? value : "";
  if (kind === "token_sha256") {
    if (!SHA256.test(text)) {
      throw new LineError(
        "has a token_sha256 that is not 64 hexadecimal digits: the SHA-256 of the token, never the token",
      );
    }
    return [kind, text.toLowerCase()];
  }
  // For their errors.
  if (kind === "certificate_san") sanOf(text);
  else subjectOf(text);
  return [kind, text];
}

function sanOf(text: string): NamePattern {
  const pattern = text.startsWith("dns:") ? dnsPattern(text.slice(4)) : spiffePattern(text);
  if (pattern === undefined) {
    throw new LineError(
      "has a certificate_san that is no pattern such as dns:*.gateways.internal or " +
        "spiffe://example.org/ns/*/sa/gateway: `*` is one whole label or segment, and not the trust domain",
    );
  }
  return pattern;
}

function subjectOf(text: string): NamePattern {
  const pattern = subjectPattern(text);
  if (pattern === undefined) {
    throw new LineError(
      "has a jwt_subject that is no pattern such as system:serviceaccount:shop:* or " +
        "spiffe://example.org/shop/*: `*` is one whole segment, and not the first",
    );
  }
  return pattern;
}
