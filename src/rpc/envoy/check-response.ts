import { Code } from "@connectrpc/connect";
import {
  HeaderValueOption_HeaderAppendAction as HeaderAppendAction,
  type HeaderValueOption,
} from "../../../gen/es/envoy/config/core/v3/base_pb.ts";
import type { CheckResponse } from "../../../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import type { Session } from "../../session/session.ts";

/** The headers that tell upstreams who asks. */
const identityHeaders = {
  id: "x-session-id",
  actorId: "x-session-actor-id",
  actorType: "x-session-actor-type",
  tenantId: "x-session-tenant-id",
  authLevel: "x-session-auth-level",
} as const;

const identityHeaderNames = Object.values(identityHeaders);

/** A header that upstreams get in addition. Without a value, they must not get it from the client. */
export interface TokenHeader {
  readonly name: string;
  readonly value: string | undefined;
}

/** A refusal as the browser gets it. */
export interface BrowserRefusal {
  readonly status: 302 | 401 | 403 | 500 | 503;
  /** Why, for programs: a reason of sessiond, or ROUTE_MISCONFIGURED. */
  readonly reason: string;
  readonly message: string;
  /** The values of Set-Cookie headers. */
  readonly setCookies: readonly string[];
  /** Only with status 302. */
  readonly location?: string;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Lets the request through with the session's identity. Each header is either set, in the place of what
 * the client has sent, or removed: Envoy removes after it has set, so never both.
 */
export function allowed(session: Session, token: TokenHeader | undefined): CheckResponse {
  const headers = [
    setHeader(identityHeaders.id, session.id),
    setHeader(identityHeaders.actorId, headerValue(session.actorId)),
    setHeader(identityHeaders.actorType, headerValue(session.actorType)),
    setHeader(identityHeaders.tenantId, headerValue(session.tenantId)),
    setHeader(identityHeaders.authLevel, String(session.authLevel)),
  ];
  const removed: string[] = [];
  if (token?.value !== undefined) headers.push(setHeader(token.name, token.value));
  else if (token !== undefined) removed.push(token.name);
  return okResponse(headers, removed, { session_id: session.id, tenant_id: session.tenantId });
}

/** Lets the request through without an identity. */
export function anonymous(token: TokenHeader | undefined): CheckResponse {
  const removed: string[] = [...identityHeaderNames];
  if (token !== undefined) removed.push(token.name);
  return okResponse([], removed, {});
}

function okResponse(
  headers: HeaderValueOption[],
  headersToRemove: string[],
  dynamicMetadata: Record<string, string>,
): CheckResponse {
  return {
    $typeName: "envoy.service.auth.v3.CheckResponse",
    status: { $typeName: "google.rpc.Status", code: 0, message: "", details: [] },
    httpResponse: {
      case: "okResponse",
      value: {
        $typeName: "envoy.service.auth.v3.OkHttpResponse",
        headers,
        headersToRemove,
        responseHeadersToAdd: [],
        queryParametersToSet: [],
        queryParametersToRemove: [],
      },
    },
    dynamicMetadata,
  };
}

/** The codes of the Check itself, for Envoy's statistics. The browser gets the HTTP status. */
const codes: Readonly<Record<BrowserRefusal["status"], Code>> = {
  302: Code.Unauthenticated,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  500: Code.Internal,
  503: Code.Unavailable,
};

/** Refuses the request. */
export function denied(refusal: BrowserRefusal): CheckResponse {
  const { status, reason, message, setCookies, location } = refusal;
  const headers = [
    setHeader("content-type", "application/json"),
    setHeader("cache-control", "no-store"),
    ...setCookies.map((value) => setHeader("set-cookie", value)),
  ];
  if (location !== undefined) {
    headers.push(setHeader("location", location), setHeader("vary", "cookie"));
  }
  if (status === 503) headers.push(setHeader("retry-after", "1"));
  return {
    $typeName: "envoy.service.auth.v3.CheckResponse",
    status: { $typeName: "google.rpc.Status", code: codes[status], message, details: [] },
    httpResponse: {
      case: "deniedResponse",
      value: {
        $typeName: "envoy.service.auth.v3.DeniedHttpResponse",
        status: { $typeName: "envoy.type.v3.HttpStatus", code: status },
        headers,
        body: `${JSON.stringify({ status, reason, message })}\n`,
      },
    },
    dynamicMetadata: { reason },
  };
}

/**
 * In the place of what is there. Older proxies do not know the action, and go by `append`, which is false
 * without a value. Of a denial, Envoy sends all headers of the same name, as Set-Cookie needs it.
 */
function setHeader(key: string, value: string): HeaderValueOption {
  return {
    $typeName: "envoy.config.core.v3.HeaderValueOption",
    header: { $typeName: "envoy.config.core.v3.HeaderValue", key, value, rawValue: NO_BYTES },
    appendAction: HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    keepEmptyValue: false,
  };
}

const NOT_VISIBLE_OR_PERCENT = /[^\x21-\x24\x26-\x7e]+/g;

/**
 * Any text as a header's value: visible ASCII stays, and everything else is percent-encoded, `%` included,
 * so that two actors never have the same value.
 */
export function headerValue(text: string): string {
  return text.replace(NOT_VISIBLE_OR_PERCENT, (part) => encodeURIComponent(part));
}
