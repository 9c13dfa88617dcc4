import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { file_google_rpc_error_details } from "../gen/es/google/rpc/error_details_pb.ts";
import { Health } from "../gen/es/health/v1/health_pb.ts";
import { file_sessiond_v1_error } from "../gen/es/sessiond/v1/error_pb.ts";
import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import type { EmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { about } from "./about.ts";
import { type CallersEvents, createCallerAuthentication } from "./callers/caller-authentication.ts";
import type { Config } from "./config/config.ts";
import type { Exposure } from "./config/exposure.ts";
import { watchReadiness } from "./jobs/readiness.ts";
import { startSweepSchedule } from "./jobs/sweep-schedule.ts";
import { CallLog } from "./log/call-log.ts";
import { RefusalLog } from "./log/refusal-log.ts";
import { openEncryptedStorage } from "./open-encrypted-storage.ts";
import { Admission } from "./rpc/admission.ts";
import { describeCall } from "./rpc/call-description.ts";
import { authorizeCallers } from "./rpc/caller-authorization.ts";
import {
  decodeError,
  type ErrorMapping,
  forbiddenError,
  tooLargeError,
  tooManyStreamsError,
} from "./rpc/errors.ts";
import { createHealth, type HealthService } from "./rpc/health.ts";
import { createReflection } from "./rpc/reflection.ts";
import { sessionService } from "./rpc/session-service.ts";
import type { CallObserver } from "./server/call-observer.ts";
import { type Server, startServer } from "./server/server.ts";
import { AbsentKeys } from "./session/absent-keys.ts";
import { AuditLog } from "./session/audit-log.ts";
import { Authenticator } from "./session/authenticator.ts";
import { BrowserCookies } from "./session/browser-cookies.ts";
import type { CallContext } from "./session/call-context.ts";
import { CsrfRotation } from "./session/csrf-rotation.ts";
import { Denials } from "./session/denials.ts";
import { type RandomBytes, secureRandomBytes } from "./session/ids.ts";
import { KeyRing } from "./session/key-ring.ts";
import { SessionRotation } from "./session/session-rotation.ts";
import { Sessions } from "./session/sessions.ts";
import { SetCookieFactory } from "./session/set-cookie.ts";
import { SigningKeys } from "./session/signing-keys.ts";
import { type SweepResult, sweep } from "./session/sweep.ts";
import type { UnreadableKeys } from "./session/unreadable-keys.ts";
import type { Storage } from "./storage/storage.ts";
import { watchTls } from "./tls-files.ts";
import { reportUnreadableKeys, watchUnreadableKeys } from "./unreadable-key-log.ts";

const CALL_LOG_TICK_MS = 1000;
const VALIDATE = `${SessionService.typeName}/${SessionService.method.validate.name}`;

export interface AppOptions {
  readonly config: Config;
  readonly log: Logger;
  /** For tests that take the randomness away. */
  readonly random?: RandomBytes;
  /** Ends the start, which then rejects with the signal's reason. Without effect afterwards. */
  readonly signal?: AbortSignal;
}

export interface App {
  readonly server: Server;
  readonly storage: Storage;
  /** Undefined with an external database. */
  readonly embedded: EmbeddedPostgres | undefined;
  /** Has the number of calls that were refused because a signing key cannot be decrypted. */
  readonly unreadableKeys: UnreadableKeys;
  /** Reads the files again that may change while sessiond runs, instead of within seconds. */
  readFiles(): Promise<void>;
  /**
   * Says NOT_SERVING, lets running calls finish, and stops everything, the embedded database
   * included. Calling it again returns the first call's promise.
   */
  stop(): Promise<void>;
}

/** Builds sessiond from its configuration and starts it. What fails on the way is undone. */
export async function startApp(options: AppOptions): Promise<App> {
  try {
    return await start(options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  }
}

async function start(options: AppOptions): Promise<App> {
  await using stack = new AsyncDisposableStack();
  const { config, log, random = secureRandomBytes, signal } = options;
  const boot: CallContext = { signal, callingService: "sessiond" };

  const callLog = new CallLog(log, {
    clock: () => performance.now(),
    sampled: { rpc: VALIDATE, oneIn: config.log.validateSample },
  });
  const callLogTimer = setInterval(() => callLog.tick(), CALL_LOG_TICK_MS).unref();
  stack.defer(() => {
    clearInterval(callLogTimer);
    callLog.close();
  });

  warnOfExposure(config.server.exposure, log);
  const callers = await createCallerAuthentication({
    config: config.callers,
    events: callersEvents(log),
  });
  stack.use(callers);

  const { embedded, storage, encryption } = await openEncryptedStorage(
    { config, log, random, signal },
    stack,
  );
  const unreadableKeys = watchUnreadableKeys(log, stack);
  const keyRing = new KeyRing({
    store: storage.signingKeys,
    encryption,
    unreadable: unreadableKeys,
    absent: new AbsentKeys(() => performance.now()),
  });
  const signingKeys = new SigningKeys(
    storage.signingKeys,
    encryption,
    random,
    config.tenants,
    (id, material, tenantId) => {
      keyRing.add(id, tenantId, material);
    },
  );
  const verified = await signingKeys.verifyAndRewrap(boot);
  const { rewrapped } = verified;
  if (rewrapped > 0) log.info({ rewrapped }, "signing keys put under the first key-encryption key");
  reportUnreadableKeys(log, verified, unreadableKeys);
  if (await signingKeys.ensureDefault(boot)) log.info("first signing key made");

  const runSweep = (context: CallContext, timeLimitMs: number) =>
    sweep(
      storage.sweep,
      { ...config.sweep, timeLimitMs },
      config.timeouts,
      () => performance.now(),
      context,
    ).then((result) => logSweep(log, result));

  const refusals = stack.use(new RefusalLog(log));
  const health = createHealth([SessionService.typeName]);
  const server = await startServer({
    ...config.server,
    routes: composeRoutes({
      ...options,
      storage,
      signingKeys,
      keyRing,
      health,
      callLog,
      runSweep,
    }),
    decodeError,
    tooLargeError,
    forbiddenError,
    tooManyStreamsError,
    about,
    onError: (error, where) => log.debug({ err: error, where }, "connection or call failed"),
    onConnectionRefused: (refusal) => refusals.connectionRefused(refusal),
    onClientCertificateRefused: (reason, peer) => refusals.certificateRefused(reason, peer),
    observer: createCallObserver(callLog),
    authentication: authorizeCallers((call) => callers.identify(call), config.reflection),
  });
  stack.defer(() => drain(server, config, log));
  signal?.throwIfAborted();

  const tlsFiles = config.server.tls && (await watchTls(config.server.tls, server, log));
  if (tlsFiles !== undefined) stack.use(tlsFiles);

  const { schedule, jitterMs, timeLimitMs } = config.sweep;
  if (schedule !== undefined) {
    const sweeps = startSweepSchedule({
      schedule,
      jitterMs,
      sweep: (signal) =>
        runSweep({ signal, callingService: "sessiond" }, timeLimitMs).then(
          () => {},
          (error: unknown) => {
            if (signal.aborted) log.info("sweep ended: sessiond stops");
            else log.error({ err: error }, "sweep failed");
          },
        ),
      onWarning: (message) => log.warn(message),
    });
    stack.defer(() => sweeps.stop());
  }

  health.setServing(true);
  stack.defer(async () => {
    health.setServing(false);
    await delay(config.server.drainDelayMs);
  });
  const readiness = watchReadiness({
    timeoutMs: config.server.readinessTimeoutMs,
    now: () => performance.now(),
    lastAnsweredAt: () => storage.database.lastAnsweredAt,
    probe: (signal) => storage.database.probe(signal),
    onChange(ready, error) {
      health.setReady(ready);
      if (ready) log.info("the database answers again: reporting SERVING");
      else log.error({ err: error }, "the database does not answer: reporting NOT_SERVING");
    },
  });
  stack.defer(() => readiness.stop());

  const started = stack.move();
  let stopping: Promise<void> | undefined;
  return {
    server,
    storage,
    embedded,
    unreadableKeys,
    async readFiles() {
      await Promise.all([tlsFiles?.check(), callers.check()]);
    },
    stop() {
      stopping ??= started.disposeAsync();
      return stopping;
    },
  };
}

function warnOfExposure(exposure: Exposure, log: Logger): void {
  if (exposure === "unauthenticated") {
    log.warn(
      "callers are not authenticated: everyone who can connect can log in as anyone " +
        "(SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION is true)",
    );
  } else if (exposure === "plain-text") {
    log.warn(
      "there is no TLS: credentials and cookies are sent in plain text unless a proxy or mesh encrypts " +
        "them (SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS is true)",
    );
  }
}

function callersEvents(log: Logger): CallersEvents {
  return {
    onChange: (file, callers) => log.info({ file, callers }, "who may call was read"),
    onError: (file, err) =>
      log.error({ file, err }, "who may call cannot be read: what was read before stays in force"),
  };
}

async function drain(server: Server, config: Config, log: Logger): Promise<void> {
  const { forced } = await server.drain(config.server.shutdownGraceMs);
  if (forced > 0) log.warn({ forced }, "calls ended by force after the shutdown grace");
}

/** Describes the calls of the server to the log. */
function createCallObserver(callLog: CallLog): CallObserver {
  return {
    get observesSuccess() {
      return callLog.observesSuccess;
    },
    callEnded({ rpc = "(unknown)", requestId, error, durationMs, values }) {
      const { tenant, caller, code, reason, detail, ...failure } = describeCall(error, values);
      const ms = Math.round(durationMs * 10) / 10;
      const fields = { rpc, requestId, caller, tenant, code, reason, detail, ms };
      if (error !== undefined) callLog.callFailed({ fields, ...failure });
      // Health checks and reflection do not use the database, and would only fill the log.
      else if (rpc.startsWith(SessionService.typeName)) callLog.callSucceeded(fields);
    },
  };
}

interface Parts extends AppOptions {
  readonly storage: Storage;
  readonly signingKeys: SigningKeys;
  readonly keyRing: KeyRing;
  readonly health: HealthService;
  readonly callLog: CallLog;
  readonly runSweep: (
    context: CallContext,
    timeLimitMs: number,
  ) => Promise<SweepResult | undefined>;
}

function composeRoutes(parts: Parts): Parameters<typeof startServer>[0]["routes"] {
  const { config, storage, signingKeys, keyRing, health, callLog, runSweep } = parts;
  const { random = secureRandomBytes } = parts;
  const { timeouts, bindings, sessionLimit: limit, tenants } = config;
  const cookies = new SetCookieFactory(config.cookies);
  const denialAudit = config.audit.denials ? storage.denialAudit : undefined;
  const denials = new Denials(denialAudit, () => performance.now());
  const store = storage.sessions;
  const authenticator = new Authenticator({ store, keyRing, timeouts, denials, cookies });
  const browserCookies = new BrowserCookies(cookies);
  const sessions = new Sessions({
    store,
    keyRing,
    signingKeys,
    authenticator,
    denials,
    browserCookies,
    timeouts,
    bindings,
    limit,
    tenants,
    random,
    wallClock: Date.now,
  });
  const errors: ErrorMapping = { uniform: config.uniformErrors };
  // The sweep has to end, and to be answered, within the call's own deadline.
  const { maxDeadlineMs } = config.server.limits;
  const callTimeLimitMs = Math.min(config.sweep.timeLimitMs, maxDeadlineMs / 2);
  const serveSessions = sessionService({
    sessions,
    sessionRotation: new SessionRotation({
      store,
      keyRing,
      authenticator,
      denials,
      browserCookies,
      timeouts,
      tenants,
      random,
      wallClock: Date.now,
    }),
    csrfRotation: new CsrfRotation({ store, authenticator, browserCookies, tenants, random }),
    signingKeys,
    auditLog: new AuditLog(storage.audit, tenants),
    timeouts,
    sweep: (context) => runSweep(context, callTimeLimitMs),
    admission: new Admission(config.admission, () => performance.now()),
    errors,
    observer: callLog,
  });
  const reflection = createReflection(
    [SessionService, Health],
    [file_sessiond_v1_error, file_google_rpc_error_details],
  );
  return (router) => {
    serveSessions(router);
    health.routes(router);
    if (config.reflection !== "off") reflection.routes(router);
  };
}

function logSweep(log: Logger, result: SweepResult | undefined): SweepResult | undefined {
  if (result === undefined) {
    log.info("sweep skipped: another one is at work");
    return result;
  }
  const { deleted, more, failures } = result;
  log.info({ deleted, more }, "sweep done");
  for (const [part, error] of failures) log.error({ err: error, part }, "part of the sweep failed");
  return result;
}
