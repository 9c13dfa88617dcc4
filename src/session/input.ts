import type { ActorInput, SessionRefInput, ValidateCommand } from "./commands.ts";
import { invalidRequest } from "./errors.ts";
import { DEFAULT_TENANT, isSessionId, type SessionId, type TenantId } from "./ids.ts";
import type { Actor } from "./session.ts";
import type { PreLoginCookie, SessionRef } from "./session-ref.ts";
import { identifier, requiredIdentifier } from "./text.ts";

const MAX_TENANT_BYTES = 128;
const MAX_ACTOR_TYPE_BYTES = 64;
const MAX_ACTOR_ID_BYTES = 256;

const REVOKE_REASON = /^[a-z][a-z0-9_]{0,63}$/;

/** Empty means the default tenant. */
export function tenantId(field: string, text: string): TenantId {
  if (text === "") return DEFAULT_TENANT;
  return requiredIdentifier(field, text, MAX_TENANT_BYTES) as TenantId;
}

/** Undefined means any tenant. Empty means the default tenant. */
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

/** Before login, the user may be unknown. Then the actor's type and id are both empty. */
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

export function sessionId(field: string, text: string): SessionId {
  if (!isSessionId(text)) {
    throw invalidRequest(field, "must be `ses-` and 44 lower-case hexadecimal digits");
  }
  return text;
}

/** Undefined if the request names no session. */
export function optionalSessionRef(
  field: string,
  input: SessionRefInput | undefined,
  preLogin?: PreLoginCookie,
): SessionRef | undefined {
  return input === undefined ? undefined : sessionRef(field, input, preLogin);
}

/** In a Cookie header, the session cookie is preferred to the pre-login cookie by default. */
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

/** A missing cookie is treated like an invalid one. */
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
