import type { ConnectError, ConnectRouter, ContextValues } from "@connectrpc/connect";
import type {
  CheckRequest,
  CheckResponse,
} from "../../../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import { Authorization } from "../../../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import type { BrowserCookies } from "../../session/browser-cookies.ts";
import type { CallContext } from "../../session/call-context.ts";
import type { ValidateCommand } from "../../session/commands.ts";
import { isSafeMethod } from "../../session/csrf.ts";
import { type Reason, SessionError } from "../../session/errors.ts";
import type { Sessions } from "../../session/sessions.ts";
import type { Admission, AdmittedCaller } from "../admission.ts";
import { noteCall } from "../call-description.ts";
import { type ErrorMapping, httpRefusal, toConnectError } from "../errors.ts";
import { type OwnContext, RpcCallContext } from "../rpc-call-context.ts";
import { type BrowserRequest, browserRequest } from "./check-request.ts";
import * as responses from "./check-response.ts";
import { isNavigation, loginLocation } from "./login-redirect.ts";
import { parseRouteOptions, RouteError, type RouteOptions } from "./route-options.ts";

export interface ExtAuthzConfig {
  /** Whether an allowed request records activity, unless its route says otherwise. */
  readonly touch: boolean;
  /** In lower case. */
  readonly csrfHeader: string;
  /** With the placeholders `{url}` and `{path}`. Undefined: nothing is redirected. */
  readonly loginUrl: string | undefined;
  /** How many proxies before Envoy are trusted. */
  readonly trustedHops: number;
  /** The token for upstreams. Undefined: they get none. */
  readonly token: { readonly audience: string; readonly header: string } | undefined;
}

/** How a Check was decided. */
export type CheckDecision =
  | "allowed"
  | "anonymous"
  | "denied"
  | "redirected"
  | "unavailable"
  | "misconfigured";

/** A Check that refuses the browser's request, or could not be decided. */
export interface RefusedCheck {
  /** The error that a Validate would have failed with. */
  readonly error: ConnectError;
  readonly values: ContextValues;
  readonly durationMs: number;
}

/** Learns how Checks are decided, since the calls themselves succeed. It must not throw. */
export interface CheckObserver {
  decided(decision: CheckDecision): void;
  refused(check: RefusedCheck): void;
  /** @param problem names the context extension. There may be one for each request. */
  misconfigured(problem: string): void;
}

export interface AuthorizationDependencies {
  readonly sessions: Sessions;
  readonly browserCookies: BrowserCookies;
  readonly admission: Admission;
  readonly config: ExtAuthzConfig;
  readonly errors: ErrorMapping;
  readonly observer: CheckObserver;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
}

/** Registers Envoy's authorization service with a router. */
export function envoyAuthorization(
  deps: AuthorizationDependencies,
): (router: ConnectRouter) => void {
  const checks = new Checks(deps);
  return (router) => {
    router.service(Authorization, { check: (request, context) => checks.check(request, context) });
  };
}

/** The reasons after which the browser's cookies are of no use to anyone. */
const endedReasons: ReadonlySet<Reason> = new Set([
  "REVOKED",
  "EXPIRED_IDLE",
  "EXPIRED_ABSOLUTE",
  "SIGNING_KEY_RETIRED",
]);

/** Without the limits and settings that a calling service is told. */
const UNAVAILABLE = "the session cannot be checked now; retry later";

const ROUTE_MISCONFIGURED = {
  status: 500,
  reason: "ROUTE_MISCONFIGURED",
  message: "the route's authorization is misconfigured; the log of sessiond says how",
  setCookies: [],
} as const;

class Checks {
  readonly #deps: AuthorizationDependencies;

  constructor(deps: AuthorizationDependencies) {
    this.#deps = deps;
  }

  /**
   * Decides whether Envoy may let a browser's request through.
   *
   * @throws {ConnectError} for what is no matter of the browser: a calling service that may not ask, and
   * defects
   */
  async check({ attributes }: CheckRequest, context: OwnContext): Promise<CheckResponse> {
    const { admission, clock, config } = this.#deps;
    const startedAt = clock();
    const request = browserRequest(attributes, config.trustedHops);
    let route: RouteOptions | undefined;
    let admitted: AdmittedCaller | undefined;
    try {
      const ownContext = new RpcCallContext(context);
      admitted = admission.enter(ownContext.limitKey);
      route = parseRouteOptions(attributes?.contextExtensions ?? {});
      if (request === undefined) throw new RouteError("the Check has no HTTP request");
      return await this.#allow(request, route, ownContext, context.values);
    } catch (error) {
      const failure = routeErrorOf(error) ?? error;
      if (failure instanceof RouteError) return this.#misconfigured(failure, context.values);
      const refusable = failure instanceof SessionError && !failure.reason.startsWith("CALLER_");
      if (!refusable || request === undefined) throw toConnectError(failure, this.#deps.errors);
      const durationMs = clock() - startedAt;
      return this.#refuse(failure, request, route, { values: context.values, durationMs });
    } finally {
      if (admitted !== undefined) admission.leave(admitted);
    }
  }

  async #allow(
    request: BrowserRequest,
    route: RouteOptions,
    context: CallContext,
    values: ContextValues,
  ): Promise<CheckResponse> {
    const { sessions, config, observer } = this.#deps;
    const command = commandOf(request, route, config);
    const { session, token } = await sessions.validate(command, context);
    noteCall(values, { tenant: session.tenantId });
    observer.decided("allowed");
    return responses.allowed(session, tokenHeader(config, token?.token));
  }

  #refuse(
    error: SessionError,
    request: BrowserRequest,
    route: RouteOptions | undefined,
    call: Pick<RefusedCheck, "values" | "durationMs">,
  ): CheckResponse {
    const { config, errors, observer } = this.#deps;
    const { reason, message, httpStatus } = httpRefusal(error, errors);
    if (httpStatus === 401 && route?.session === "optional") {
      noteCall(call.values, { provesNoDatabase: true });
      observer.decided("anonymous");
      return responses.anonymous(tokenHeader(config, undefined));
    }
    const refusal = toConnectError(error, errors);
    noteCall(call.values, { tenant: error.tenantId, refusal });
    observer.refused({ ...call, error: refusal });
    if (httpStatus === 403) return this.#denied({ status: 403, reason, message, setCookies: [] });
    if (httpStatus !== 401) {
      observer.decided("unavailable");
      return responses.denied({ status: 503, reason, message: UNAVAILABLE, setCookies: [] });
    }
    const setCookies = this.#cookiesToClear(reason, request);
    if (config.loginUrl === undefined || !isNavigation(request)) {
      return this.#denied({ status: 401, reason, message, setCookies });
    }
    observer.decided("redirected");
    const location = loginLocation(config.loginUrl, request);
    return responses.denied({ status: 302, reason, message, setCookies, location });
  }

  #denied(refusal: responses.BrowserRefusal): CheckResponse {
    this.#deps.observer.decided("denied");
    return responses.denied(refusal);
  }

  #misconfigured(error: RouteError, values: ContextValues): CheckResponse {
    const { observer } = this.#deps;
    noteCall(values, { reason: ROUTE_MISCONFIGURED.reason, provesNoDatabase: true });
    observer.decided("misconfigured");
    observer.misconfigured(error.message);
    return responses.denied(ROUTE_MISCONFIGURED);
  }

  /** Of a cookie that is not valid here, nothing is known: with `tenant`, it may be another tenant's. */
  #cookiesToClear(reason: Reason, { header }: BrowserRequest): readonly string[] {
    if (!endedReasons.has(reason)) return [];
    const cookies = this.#deps.browserCookies.ended(header("cookie") ?? "");
    return cookies.map((cookie) => cookie.header);
  }
}

/** What the rules find wrong with the request can only come from the route's options. */
function routeErrorOf(error: unknown): RouteError | undefined {
  return error instanceof SessionError && error.reason === "INVALID_REQUEST"
    ? new RouteError(error.message)
    : undefined;
}

function commandOf(
  request: BrowserRequest,
  route: RouteOptions,
  config: ExtAuthzConfig,
): ValidateCommand {
  const { method, header, ipAddress } = request;
  const isChecked = route.csrf && !isSafeMethod(method);
  return {
    credential: { kind: "header", header: header("cookie") ?? "" },
    csrfToken: isChecked ? (header(config.csrfHeader) ?? "") : undefined,
    httpMethod: isChecked ? method : undefined,
    touch: route.touch ?? config.touch,
    acceptPreLogin: false,
    ipAddress,
    userAgent: header("user-agent") ?? "",
    tenantId: route.tenant,
    minAuthLevel: route.minAuthLevel,
    maxAuthAge: undefined,
    actorType: route.actorType,
    tokenAudience: config.token?.audience ?? "",
  };
}

function tokenHeader(
  { token }: ExtAuthzConfig,
  value: string | undefined,
): responses.TokenHeader | undefined {
  if (token === undefined) return undefined;
  const isBearer = token.header === "authorization" && value !== undefined;
  return { name: token.header, value: isBearer ? `Bearer ${value}` : value };
}
