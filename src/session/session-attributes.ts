import { normalizedIpAddress } from "./ip-address.ts";
import { identifier, storageProblem, withoutControlCharacters } from "./text.ts";
import type { Violations } from "./violations.ts";

const MAX_APP_TYPE_BYTES = 64;
const MAX_METADATA_BYTES = 4096;
const MAX_USER_AGENT_CHARACTERS = 512;

/**
 * What Create stores with a session besides its actor and its deadlines. To add an attribute, add it
 * here, to the table of columns (storage/sessions/session-entity.ts, with a migration) and to the
 * messages (rpc/requests.ts, rpc/responses.ts).
 */
export interface SessionAttributes {
  readonly appType: string;
  /** The browser's address; empty if not known. */
  readonly ipAddress: string;
  /** The browser's user agent, without control characters; empty if not known. */
  readonly userAgent: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The attributes as they are stored, with a normalised address and user agent. */
export function checkedAttributes(
  requested: SessionAttributes,
  violations: Violations,
): SessionAttributes {
  return {
    appType: checkedAppType(requested.appType, violations),
    metadata: checkedMetadata(requested.metadata, violations),
    ipAddress: checkedIpAddress(requested.ipAddress, violations),
    userAgent: normalizedUserAgent(requested.userAgent),
  };
}

export function checkedAppType(text: string, violations: Violations): string {
  return identifier("app_type", text, MAX_APP_TYPE_BYTES, violations);
}

/** Empty means unknown, and stays empty. */
export function checkedIpAddress(text: string, violations: Violations): string {
  if (text === "") return "";
  const address = normalizedIpAddress(text);
  if (address === undefined) {
    violations.add("ip_address", "must be one IPv4 or IPv6 address without port or zone");
  }
  return address ?? text;
}

/**
 * Truncates the user agent and replaces its control characters and lone surrogates with U+FFFD. It is
 * never rejected: browsers send whatever they like, and none of it must prevent a login.
 */
export function normalizedUserAgent(text: string): string {
  return withoutControlCharacters(truncated(text).toWellFormed());
}

function truncated(text: string): string {
  if (text.length <= MAX_USER_AGENT_CHARACTERS) return text;
  // 512 characters are at most 1024 UTF-16 code units. The first cut limits the work of Array.from.
  const characters = Array.from(text.slice(0, 2 * MAX_USER_AGENT_CHARACTERS));
  return characters.slice(0, MAX_USER_AGENT_CHARACTERS).join("");
}

export function checkedMetadata(
  input: Readonly<Record<string, string>>,
  violations: Violations,
): Readonly<Record<string, string>> {
  const problem = metadataProblem(input);
  if (problem !== undefined) violations.add("metadata", problem);
  return input;
}

function metadataProblem(metadata: Readonly<Record<string, string>>): string | undefined {
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata)) {
    if (key === "") return "must not have an empty key";
    const problem = storageProblem(key) ?? storageProblem(value);
    if (problem !== undefined) return problem;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes > MAX_METADATA_BYTES
    ? `must be at most ${MAX_METADATA_BYTES} bytes in all`
    : undefined;
}
