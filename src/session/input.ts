import type { ActorInput, SessionRefInput, ValidateCommand } from "./commands.ts";
import { DEFAULT_TENANT, isSessionId, type SessionId, type TenantId } from "./ids.ts";
import type { Actor } from "./session.ts";
import type { PreLoginCookie, SessionRef } from "./session-ref.ts";
import { mayAccess } from "./tenant-access.ts";
import { identifier, requiredIdentifier } from "./text.ts";
import type { Violations } from "./violations.ts";

const MAX_TENANT_BYTES = 128;
const MAX_ACTOR_TYPE_BYTES = 64;
const MAX_ACTOR_ID_BYTES = 256;

const MAX_ETAG_BYTES = 64;

const REVOKE_REASON = /^[a-z][a-z0-9_]{0,63}$/;

const EMPTY_TENANT =
  "must not be empty: leave it out to accept a session of any tenant, or name the tenant " +
  `(\`${DEFAULT_TENANT}\` for sessions that were created without one)`;

/** Why there are no tokens. Completes a sentence. */
export const TOKENS_ARE_OFF = "tokens are off (SESSIOND_TOKEN_ISSUER is not set)";

const NO_ACTOR: Actor = { tenantId: DEFAULT_TENANT, actorType: "", actorId: "" };

/** The tenant of a field that decides it. Empty means the one that TenantAccess implies. */
export function tenantId(field: string, text: string, violations: Violations): TenantId {
  if (text !== "") return namedTenantId(field, text, violations);
  const { implied, expected } = violations.access;
  if (implied === undefined) violations.add(field, expected);
  return implied ?? DEFAULT_TENANT;
}

function namedTenantId(field: string, text: string, violations: Violations): TenantId {
  const named = requiredIdentifier(field, text, MAX_TENANT_BYTES, violations) as TenantId;
  if (!mayAccess(violations.access, named)) violations.forbidTenant();
  return named;
}

/**
 * The tenant to which a look-up is restricted. Undefined means any of the caller's tenants. Empty is
 * wrong: callers have meant the default or any tenant by it.
 */
export function optionalTenantId(
  field: string,
  text: string | undefined,
  violations: Violations,
): TenantId | undefined {
  if (text !== undefined && text !== "") return namedTenantId(field, text, violations);
  const { lookUpNamesTenant, expected } = violations.access;
  if (lookUpNamesTenant) violations.add(field, expected);
  else if (text === "") violations.add(field, EMPTY_TENANT);
  return undefined;
}

export function actor(field: string, input: ActorInput | undefined, violations: Violations): Actor {
  if (input === undefined) {
    violations.add(field, "is required");
    return NO_ACTOR;
  }
  const required = (name: string, text: string, maxBytes: number) =>
    requiredIdentifier(`${field}.${name}`, text, maxBytes, violations);
  return {
    tenantId: tenantId(`${field}.tenant_id`, input.tenantId, violations),
    actorType: required("actor_type", input.actorType, MAX_ACTOR_TYPE_BYTES),
    actorId: required("actor_id", input.actorId, MAX_ACTOR_ID_BYTES),
  };
}

/** Before login, the user may be unknown. Then the actor's type and id are both empty. */
export function preLoginActor(
  field: string,
  input: ActorInput | undefined,
  violations: Violations,
): Actor {
  if (input !== undefined && (input.actorType !== "" || input.actorId !== "")) {
    return actor(field, input, violations);
  }
  const tenant = tenantId(`${field}.tenant_id`, input?.tenantId ?? "", violations);
  return { ...NO_ACTOR, tenantId: tenant };
}

export function actingActorId(text: string, violations: Violations): string {
  return requiredIdentifier("acting_actor_id", text, MAX_ACTOR_ID_BYTES, violations);
}

/** Undefined if it is empty. */
export function optionalActingActorId(text: string, violations: Violations): string | undefined {
  return text === "" ? undefined : actingActorId(text, violations);
}

/** Undefined: the session's actor, if a cookie names the session. With an id it is required. */
export function actingActorIdWith(
  ref: SessionRef,
  text: string,
  violations: Violations,
): string | undefined {
  return ref.kind === "id"
    ? actingActorId(text, violations)
    : optionalActingActorId(text, violations);
}

export function metadataEtag(text: string, violations: Violations): string {
  return identifier("metadata_etag", text, MAX_ETAG_BYTES, violations);
}

export function filter(field: string, text: string, violations: Violations): string {
  return identifier(field, text, MAX_ACTOR_ID_BYTES, violations);
}

export function sessionId(field: string, text: string, violations: Violations): SessionId {
  if (!isSessionId(text)) {
    violations.add(field, "must be `ses-` and 44 lower-case hexadecimal digits");
  }
  return text as SessionId;
}

/** Undefined if the request names no session. */
export function optionalSessionRef(
  field: string,
  input: SessionRefInput | undefined,
  violations: Violations,
  preLogin?: PreLoginCookie,
): SessionRef | undefined {
  return input === undefined ? undefined : sessionRef(field, input, violations, preLogin);
}

/** A session of an actor, whose tenant is the default. The pre-login cookie is never used. */
export function optionalSessionRefOf(
  { tenantId }: Actor,
  field: string,
  input: SessionRefInput | undefined,
  violations: Violations,
): SessionRef | undefined {
  const ref = optionalSessionRef(field, input, violations, "ignored");
  return ref && { ...ref, tenantId: ref.tenantId ?? tenantId };
}

/** In a Cookie header, the session cookie is preferred to the pre-login cookie by default. */
export function sessionRef(
  field: string,
  input: SessionRefInput | undefined,
  violations: Violations,
  preLogin: PreLoginCookie = "second",
): SessionRef {
  const tenant = () => optionalTenantId(`${field}.tenant_id`, input?.tenantId, violations);
  switch (input?.kind) {
    case "cookie":
      return { kind: "cookie", cookie: input.cookie, tenantId: tenant() };
    case "header":
      return { kind: "header", header: input.header, preLogin, tenantId: tenant() };
    case "id": {
      const id = sessionId(`${field}.session_id`, input.id, violations);
      return { kind: "id", id, tenantId: tenant() };
    }
    case "unset":
    case undefined:
      violations.add(field, "is required, with a cookie, a cookie_header or a session_id");
      return { kind: "cookie", cookie: "", tenantId: tenant() };
  }
}

/** A missing cookie is treated like an invalid one. */
export function credentialRef(command: ValidateCommand, violations: Violations): SessionRef {
  const { credential, acceptPreLogin } = command;
  const tenant = optionalTenantId("tenant_id", command.tenantId, violations);
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

/**
 * The HTTP method of the browser's request, of any form: what is no method is not a safe one. Empty is
 * wrong: it is what a caller sends whose variable has no value.
 */
export function httpMethod(text: string | undefined, violations: Violations): string | undefined {
  if (text === "") {
    violations.add(
      "http_method",
      "must not be empty: give the method of the request, or leave it out",
    );
  }
  return text;
}

/** The type of actor that a call accepts. Empty: any. */
export function acceptedActorType(text: string, violations: Violations): string {
  return text === "" ? text : identifier("actor_type", text, MAX_ACTOR_TYPE_BYTES, violations);
}

/**
 * For whom a token is asked for. Empty: nobody.
 *
 * @param audiences those that are allowed. Undefined: no tokens are issued.
 */
export function tokenAudience(
  text: string,
  audiences: readonly string[] | undefined,
  violations: Violations,
): string {
  if (text === "") return text;
  if (audiences === undefined) {
    violations.add("token_audience", `must be empty: ${TOKENS_ARE_OFF}`);
  } else if (!audiences.includes(text)) {
    violations.add("token_audience", "must be one of SESSIOND_TOKEN_AUDIENCES");
  }
  return text;
}

export function revokeReason(text: string, violations: Violations): string {
  if (!REVOKE_REASON.test(text)) {
    violations.add(
      "reason",
      "must be a lower-case word such as `logout`: a letter, then letters, digits and " +
        "underscores, at most 64",
    );
  }
  return text;
}
