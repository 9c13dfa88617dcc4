import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { type ContextKey, createContextKey } from "@connectrpc/connect";
import { Authorization } from "../../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import * as v1 from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "../../gen/es/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { Role, required_role } from "../../gen/es/sessiond/v1/options_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import {
  type Caller,
  CallerRefusedError,
  KeysUnavailableError,
  nobody,
} from "../callers/caller.ts";
import type { Presented } from "../callers/caller-authentication.ts";
import { SessionError } from "../session/errors.ts";
import { sessionErrorToConnect } from "./errors.ts";

/**
 * Where handlers find the caller. By default it is nobody, so that a call that reaches a handler without
 * authentication fails.
 */
export const callerKey: ContextKey<Caller> = createContextKey(nobody, {
  description: "the caller",
});

/** Who may use reflection. */
export type ReflectionAccess = "open" | "authenticated" | "off";

interface CallToAuthorize extends Presented {
  readonly method: DescMethod;
}

/** The structure that the server's hook for authentication has. */
export interface CallerAuthorization {
  readonly contextKey: ContextKey<Caller>;
  /** @throws {ConnectError} also as a rejection, if the caller is unknown or may not call the method */
  authenticate(call: CallToAuthorize): Caller | Promise<Caller>;
}

/** A call that is refused for who its caller is. */
export class CallerError extends SessionError {
  /** The name of a caller that is known. */
  readonly caller: string | undefined;
  /** Why it is refused, for the log. */
  readonly detail: string | undefined;

  constructor(
    reason: "CALLER_UNAUTHENTICATED" | "CALLER_FORBIDDEN" | "CALLER_KEYS_UNAVAILABLE",
    options: { message?: string; cause?: unknown; caller?: string; detail?: string },
  ) {
    const { message, cause } = options;
    super(reason, { cause, ...(message !== undefined && { message }) });
    this.caller = options.caller;
    this.detail = options.detail;
  }
}

/** How much a role may do. */
const ranks: Readonly<Record<Caller["role"], number>> = {
  validator: Role.VALIDATOR,
  issuer: Role.ISSUER,
  admin: Role.ADMIN,
};

/** For a method that any authenticated caller may call. */
const ANY_ROLE = Role.UNSPECIFIED;

/** What a method requires; none: no credentials at all. */
type Requirement = Role | "none";

/**
 * The role that a method of SessionService requires, from its option `required_role`.
 *
 * @throws {Error} if it has none
 */
export function requiredRole(method: DescMethod): Role {
  const role = getOption(method, required_role);
  if (role === Role.UNSPECIFIED) {
    throw new Error(`${method.parent.typeName}.${method.name} has no option required_role`);
  }
  return role;
}

/**
 * Decides for each call who makes it, and whether the role suffices for the method. Health checks need no
 * credentials, since those who make them have none; reflection goes by the setting.
 *
 * @param identify tells who calls; see CallerAuthentication
 * @throws {Error} if a method of SessionService has no role
 */
export function authorizeCallers(
  identify: (call: Presented) => Caller | Promise<Caller>,
  reflection: ReflectionAccess,
): CallerAuthorization {
  const requirements = new Map<DescMethod, Requirement>();
  for (const method of SessionService.methods) requirements.set(method, requiredRole(method));
  // It tells no more than Validate does.
  for (const method of Authorization.methods) requirements.set(method, Role.VALIDATOR);
  for (const method of Health.methods) requirements.set(method, "none");
  for (const method of [...v1.ServerReflection.methods, ...v1alpha.ServerReflection.methods]) {
    requirements.set(method, reflection === "open" ? "none" : ANY_ROLE);
  }

  return {
    contextKey: callerKey,
    authenticate(call) {
      // What is not known here is for admins only.
      const required = requirements.get(call.method) ?? Role.ADMIN;
      if (required === "none") return nobody;
      try {
        const caller = identify(call);
        if (!(caller instanceof Promise)) return authorize(caller, required);
        return caller.then(
          (known) => authorize(known, required),
          (error: unknown) => Promise.reject(toConnectRefusal(error)),
        );
      } catch (error) {
        throw toConnectRefusal(error);
      }
    },
  };
}

function authorize(caller: Caller, required: Role): Caller {
  if (ranks[caller.role] >= required) return caller;
  const role = Object.entries(ranks).find(([, rank]) => rank === required)?.[0];
  throw sessionErrorToConnect(
    new CallerError("CALLER_FORBIDDEN", {
      message: `the calling service may not make this call: it needs the role ${role}`,
      caller: caller.name,
      detail: `it has the role ${caller.role}`,
    }),
  );
}

/** Nothing that a caller has sent is in the result, nor why it is not known, except for the log. */
function toConnectRefusal(error: unknown): unknown {
  if (error instanceof CallerRefusedError) {
    const refusal = new CallerError("CALLER_UNAUTHENTICATED", { detail: error.message });
    return sessionErrorToConnect(refusal);
  }
  if (error instanceof KeysUnavailableError) {
    return sessionErrorToConnect(new CallerError("CALLER_KEYS_UNAVAILABLE", { cause: error }));
  }
  return error;
}
