import { isIP, SocketAddress } from "node:net";
import type { ActorInput, SessionRefInput, ValidateCommand } from "./commands.ts";
import { invalidRequest } from "./errors.ts";
import { DEFAULT_TENANT, isSessionId, type SessionId, type TenantId } from "./ids.ts";
import type { Actor } from "./session.ts";
import type { PreLoginCookie, SessionRef } from "./session-ref.ts";

const MAX_TENANT_BYTES = 128;
const MAX_ACTOR_TYPE_BYTES = 64;
const MAX_ACTOR_ID_BYTES = 256;
const MAX_APP_TYPE_BYTES = 64;
const MAX_METADATA_BYTES = 4096;
const MAX_USER_AGENT_CHARACTERS = 512;

const REVOKE_REASON = /^[a-z][a-z0-9_]{0,63}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

/** Text that PostgreSQL stores as it is: it refuses NUL, and a lone surrogate has no UTF-8 form. */
function storableText(field: string, text: string): string {
  if (text.includes("\0")) throw invalidRequest(field, "must not contain NUL");
  if (!text.isWellFormed()) throw invalidRequest(field, "must be valid Unicode");
  return text;
}

function identifier(field: string, text: string, maxBytes: number): string {
  if (!text.isWellFormed()) throw invalidRequest(field, "must be valid Unicode");
  if (CONTROL_CHARACTER.test(text)) {
    throw invalidRequest(field, "must not contain control characters");
  }
  if (Buffer.byteLength(text) > maxBytes) {
    throw invalidRequest(field, `must be at most ${maxBytes} bytes`);
  }
  return text;
}

function requiredIdentifier(field: string, text: string, maxBytes: number): string {
  if (text.trim() === "") throw invalidRequest(field, "is required and must not be blank");
  return identifier(field, text, maxBytes);
}

/** Empty means the default tenant. */
export function tenantId(field: string, text: string): TenantId {
  if (text === "") return DEFAULT_TENANT;
  return requiredIdentifier(field, text, MAX_TENANT_BYTES) as TenantId;
}

/** Undefined, which is not the same as empty, means any tenant. */
export function optionalTenantId(field: string, text: string | undefined): TenantId | undefined {
  return text === undefined ? undefined : tenantId(field, text);
}

export function actor(field: string, input: ActorInput | undefined): Actor {
  if (input === undefined) throw invalidRequest(field, "is required");
  return {
    tenantId: tenantId(`${field}.tenant_id`, input.tenantId),
    actorType: requiredIdentifier(`${field}.actor_type`, input.actorType, MAX_ACTOR_TYPE_BYTES),
    actorId: requiredIdentifier(`${field}.actor_id`, input.actorId, MAX_ACTOR_ID_BYTES),
  };
}

/** Before login the user may not be known: then both parts of the name are empty. */
export function preLoginActor(field: string, input: ActorInput | undefined): Actor {
  if (input === undefined || (input.actorType === "" && input.actorId === "")) {
    const tenant = tenantId(`${field}.tenant_id`, input?.tenantId ?? "");
    return { tenantId: tenant, actorType: "", actorId: "" };
  }
  return actor(field, input);
}

export function actingActorId(text: string): string {
  return requiredIdentifier("acting_actor_id", text, MAX_ACTOR_ID_BYTES);
}

export function filter(field: string, text: string): string {
  return identifier(field, text, MAX_ACTOR_ID_BYTES);
}

export function appType(text: string): string {
  return identifier("app_type", text, MAX_APP_TYPE_BYTES);
}

export function sessionId(field: string, text: string): SessionId {
  if (!isSessionId(text)) {
    throw invalidRequest(field, "must be `ses-` and 44 lower-case hexadecimal digits");
  }
  return text;
}

/** Undefined if the request has none. */
export function optionalSessionRef(
  field: string,
  input: SessionRefInput | undefined,
  preLogin?: PreLoginCookie,
): SessionRef | undefined {
  return input === undefined ? undefined : sessionRef(field, input, preLogin);
}

/** In a Cookie header, the pre-login cookie comes second unless the call says otherwise. */
export function sessionRef(
  field: string,
  input: SessionRefInput | undefined,
  preLogin: PreLoginCookie = "second",
): SessionRef {
  if (input === undefined || input.kind === "unset") {
    throw invalidRequest(field, "is required, with a cookie, a cookie_header or a session_id");
  }
  const tenant = optionalTenantId(`${field}.tenant_id`, input.tenantId);
  switch (input.kind) {
    case "cookie":
      return { kind: "cookie", cookie: input.cookie, tenantId: tenant };
    case "header":
      return { kind: "header", header: input.header, preLogin, tenantId: tenant };
    case "id":
      return { kind: "id", id: sessionId(`${field}.session_id`, input.id), tenantId: tenant };
  }
}

/** No cookie at all is a wrong cookie. */
export function credentialRef(command: ValidateCommand): SessionRef {
  const { credential, acceptPreLogin } = command;
  const tenant = optionalTenantId("tenant_id", command.tenantId);
  switch (credential.kind) {
    case "cookie":
      return { kind: "cookie", cookie: credential.cookie, tenantId: tenant };
    case "header":
      return {
        kind: "header",
        header: credential.header,
        preLogin: acceptPreLogin ? "first" : "ignored",
        tenantId: tenant,
      };
    case "unset":
      return { kind: "cookie", cookie: "", tenantId: tenant };
  }
}

export function revokeReason(text: string): string {
  if (!REVOKE_REASON.test(text)) {
    throw invalidRequest(
      "reason",
      "must be a lower-case word such as `logout`: a letter, then letters, digits and " +
        "underscores, at most 64",
    );
  }
  return text;
}

/**
 * One IPv4 or IPv6 address in its shortest form; an IPv4-mapped IPv6 address becomes IPv4, so that
 * the two spellings of one client are equal. Empty stays empty: not known.
 */
export function ipAddress(text: string): string {
  if (text === "") return "";
  const version = text.includes("%") ? 0 : isIP(text);
  if (version === 0) {
    throw invalidRequest("ip_address", "must be one IPv4 or IPv6 address without port or zone");
  }
  if (version === 4) return text;
  const { address } = new SocketAddress({ address: text, family: "ipv6" });
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  return mapped?.[1] ?? address;
}

/** Cut rather than refused: a browser's long header must not keep its user from logging in. */
export function userAgent(text: string): string {
  storableText("user_agent", text);
  if (text.length <= MAX_USER_AGENT_CHARACTERS) return text;
  // 512 characters are at most 1024 UTF-16 units; cutting there first bounds the work.
  const characters = Array.from(text.slice(0, 2 * MAX_USER_AGENT_CHARACTERS));
  return characters.slice(0, MAX_USER_AGENT_CHARACTERS).join("");
}

export function metadata(input: Readonly<Record<string, string>>): Record<string, string> {
  let bytes = 0;
  for (const [key, value] of Object.entries(input)) {
    if (key === "") throw invalidRequest("metadata", "must not have an empty key");
    storableText("metadata", key);
    storableText("metadata", value);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_METADATA_BYTES) {
    throw invalidRequest("metadata", `must be at most ${MAX_METADATA_BYTES} bytes in all`);
  }
  return input;
}
