import { Authorization } from "../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import { file_google_rpc_error_details } from "../gen/es/google/rpc/error_details_pb.ts";
import { Health } from "../gen/es/health/v1/health_pb.ts";
import { file_sessiond_v1_error } from "../gen/es/sessiond/v1/error_pb.ts";
import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import type { Config } from "./config/config.ts";
import { Admission } from "./rpc/admission.ts";
import { type CheckObserver, envoyAuthorization } from "./rpc/envoy/authorization-service.ts";
import type { ErrorMapping } from "./rpc/errors.ts";
import type { HealthService } from "./rpc/health.ts";
import { createReflection } from "./rpc/reflection.ts";
import { type SuccessObserver, sessionService } from "./rpc/session-service.ts";
import type { ServerOptions } from "./server/server.ts";
import { AuditLog } from "./session/audit-log.ts";
import { Authenticator } from "./session/authenticator.ts";
import { BrowserCookies } from "./session/browser-cookies.ts";
import type { CallContext } from "./session/call-context.ts";
import { CookieSigner } from "./session/cookie-signer.ts";
import { CsrfRotation } from "./session/csrf-rotation.ts";
import { Denials } from "./session/denials.ts";
import type { RandomBytes } from "./session/ids.ts";
import type { KeyRing } from "./session/key-ring.ts";
import { RevocationByFilter } from "./session/revoke-sessions-by-filter.ts";
import { SessionCreation } from "./session/session-creation.ts";
import { SessionRotation } from "./session/session-rotation.ts";
import { SessionSearch } from "./session/session-search.ts";
import { Sessions } from "./session/sessions.ts";
import { SetCookieFactory } from "./session/set-cookie.ts";
import type { SigningKeys } from "./session/signing-keys.ts";
import type { SweepResult } from "./session/sweep.ts";
import type { Storage } from "./storage/storage.ts";
import type { Tokens } from "./token-keys.ts";

/** What the services are made of. */
export interface Parts {
  readonly config: Config;
  readonly random: RandomBytes;
  readonly storage: Storage;
  readonly signingKeys: SigningKeys;
  readonly keyRing: KeyRing;
  readonly tokens: Tokens;
  readonly health: HealthService;
  readonly observer: SuccessObserver;
  /** Called for each cookie in sessiond's form that no key of sessiond's has signed. */
  readonly onForged?: (() => void) | undefined;
  readonly checkObserver: CheckObserver;
  readonly runSweep: (
    context: CallContext,
    timeLimitMs: number,
  ) => Promise<SweepResult | undefined>;
}

/** Builds the rules from their parts, and all services that the server offers from the rules. */
export function composeRoutes(parts: Parts): ServerOptions["routes"] {
  const { config, random, storage, signingKeys, keyRing, tokens, health, observer, runSweep } =
    parts;
  const { onForged } = parts;
  const { timeouts, bindings, sessionLimit: limit, tenants } = config;
  const cookies = new SetCookieFactory(config.cookies);
  const denialAudit = config.audit.denials ? storage.denialAudit : undefined;
  const clock = () => performance.now();
  const denials = new Denials(denialAudit, clock);
  const store = storage.sessions;
  const authenticator = new Authenticator({ store, keyRing, timeouts, denials, cookies, onForged });
  const browserCookies = new BrowserCookies(cookies);
  const cookieSigner = new CookieSigner({ keyRing, signingKeys });
  const rules = {
    store,
    cookieSigner,
    authenticator,
    denials,
    browserCookies,
    timeouts,
    tenants,
    random,
    wallClock: Date.now,
  };
  const errors: ErrorMapping = { uniform: config.uniformErrors };
  // The sweep has to end, and to be answered, within the call's own deadline.
  const { maxDeadlineMs } = config.server.limits;
  const callTimeLimitMs = Math.min(config.sweep.timeLimitMs, maxDeadlineMs / 2);
  const sessions = new Sessions({ ...rules, bindings, tokens: tokens.issuer });
  const admission = new Admission(config.admission, clock);
  const serveSessions = sessionService({
    sessions,
    sessionCreation: new SessionCreation({ ...rules, limit }),
    sessionRotation: new SessionRotation(rules),
    csrfRotation: new CsrfRotation(rules),
    sessionSearch: new SessionSearch(store, tenants),
    revocationByFilter: new RevocationByFilter(rules),
    signingKeys,
    tokenKeys: tokens.keys,
    auditLog: new AuditLog(storage.audit, tenants),
    timeouts,
    sweep: (context) => runSweep(context, callTimeLimitMs),
    admission,
    errors,
    observer,
  });
  const serveEnvoy = envoyAuthorization({
    sessions,
    browserCookies,
    admission,
    config: config.extAuthz,
    errors,
    observer: parts.checkObserver,
    clock,
  });
  const reflection = createReflection(
    [SessionService, Authorization, Health],
    [file_sessiond_v1_error, file_google_rpc_error_details],
  );
  return (router) => {
    serveSessions(router);
    serveEnvoy(router);
    health.routes(router);
    if (config.reflection !== "off") reflection.routes(router);
  };
}
