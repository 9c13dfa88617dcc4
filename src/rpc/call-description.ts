import { Code, type ConnectError, type ContextValues, createContextKey } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { type Reason, SessionError, UnreadableKeyError } from "../session/errors.ts";
import { CallerError, callerKey } from "./caller-authorization.ts";
import { CallerLimitError } from "./caller-limit-error.ts";

/** What a handler knows of its call. */
export interface CallNotes {
  readonly tenant?: string | undefined;
  /** In place of this error, a successful response refuses what was asked, as a Check of Envoy does. */
  readonly refusal?: ConnectError;
  /** Why a successful response refuses what was asked, if not for such an error. */
  readonly reason?: string | undefined;
  /** Its success does not show that the database answers: the request may have had no session to look for. */
  readonly provesNoDatabase?: boolean;
}

const notesKey = createContextKey<CallNotes>({}, { description: "what the handler knows" });

/** Keeps what a handler knows of its call in the call's context. */
export function noteCall(values: ContextValues, notes: CallNotes): void {
  values.set(notesKey, notes);
}

/** Whether the handler has refused what was asked, and has told the log of it. */
export function isRefused(values: ContextValues | undefined): boolean {
  return values?.get(notesKey).refusal !== undefined;
}

/** Whether the success of a call shows that the database answers. */
export function provesDatabase(values: ContextValues | undefined): boolean {
  return values?.get(notesKey).provesNoDatabase !== true;
}

/** A call for the log and for its span. It contains no credential. */
export interface CallDescription extends Omit<CallNotes, "refusal" | "provesNoDatabase"> {
  /** The authenticated calling service, also if the call failed before any handler. */
  readonly caller?: string | undefined;
  /** The name of the gRPC code, such as UNAUTHENTICATED. */
  readonly code: string;
  /** The name of the code of the error in whose place a successful response refuses. */
  readonly refusalCode?: string | undefined;
  /** The real reason, also where the caller gets a uniform one. */
  readonly reason?: string | undefined;
  /** Why the caller was refused, which the caller does not get to know. */
  readonly detail?: string | undefined;
  /** The defect, or the failure with the cause of the outage. Undefined for what is expected. */
  readonly unexpected?: unknown;
  readonly outage?: "database" | "overload" | "keys" | undefined;
  /** The setting of the caller's own limit that the call is above. */
  readonly callerLimit?: string | undefined;
  /** Whether the call was denied and the audit does not know of it, as for a forged cookie. */
  readonly unaudited?: boolean;
}

const defectCodes = [Code.Unknown, Code.Internal, Code.DataLoss];

const denialCodes = [Code.Unauthenticated, Code.PermissionDenied];

const outages: Partial<Record<Reason, CallDescription["outage"]>> = {
  STORAGE_UNAVAILABLE: "database",
  OVERLOADED: "overload",
  CALLER_KEYS_UNAVAILABLE: "keys",
};

/**
 * Describes how a call ended.
 *
 * @param error undefined if it succeeded
 * @param values of its context, undefined if nobody read them
 */
export function describeCall(
  error: ConnectError | undefined,
  values: ContextValues | undefined,
): CallDescription {
  const caller = values?.get(callerKey).name || undefined;
  const { refusal, tenant, reason: noted } = values?.get(notesKey) ?? {};
  const notes = { tenant, reason: noted, caller };
  if (error === undefined) {
    if (refusal === undefined) return { ...notes, code: "OK" };
    const { reason, code: refusalCode } = describeCall(refusal, values);
    return { ...notes, code: "OK", reason, refusalCode };
  }
  const { cause } = error;
  const isDefect = defectCodes.includes(error.code);
  if (cause instanceof SessionError) {
    const { reason } = cause;
    // A single key that cannot be decrypted is no outage.
    const outage = cause instanceof UnreadableKeyError ? undefined : outages[reason];
    const unexpected = isDefect || cause.cause !== undefined ? cause : undefined;
    const unaudited = denialCodes.includes(error.code) && !cause.audited;
    const described = { ...notes, code: nameOf(error.code), reason, unexpected, outage, unaudited };
    if (cause instanceof CallerLimitError) {
      return { ...described, outage: undefined, callerLimit: cause.setting };
    }
    if (!(cause instanceof CallerError)) return described;
    return { ...described, caller: cause.caller, detail: cause.detail };
  }
  return {
    ...notes,
    code: nameOf(error.code),
    reason: error.findDetails(ErrorInfoSchema)[0]?.reason,
    unexpected: isDefect ? (cause ?? error) : undefined,
  };
}

/** gRPC and Connect spell one code differently. */
function nameOf(code: Code): string {
  return code === Code.Canceled ? "CANCELLED" : codeToString(code).toUpperCase();
}

interface Named {
  readonly tenantId?: string;
}
interface MayNameTenant extends Named {
  readonly actor?: Named;
  readonly session?: Named;
  readonly target?: { readonly value?: Named };
}

/** The limit of a tenant's id. Every cookie is longer. */
const MAX_TENANT_LENGTH = 128;

/**
 * The tenant that a message names; undefined if it names none. A request may not have been validated,
 * so its tenant may be anything, such as a cookie in the wrong field.
 */
export function tenantOf(message: object): string | undefined {
  const { tenantId, actor, session, target } = message as MayNameTenant;
  const tenant = tenantId || actor?.tenantId || session?.tenantId || target?.value?.tenantId;
  return tenant && tenant.length <= MAX_TENANT_LENGTH ? tenant : undefined;
}
