import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { Authorization } from "../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import type { EmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { about } from "./about.ts";
import { callersEvents, warnOfExposure } from "./app-log.ts";
import { openAppTracing } from "./app-tracing.ts";
import { CHECK, createCallObserver, createCheckObserver } from "./call-observer.ts";
import { createCallerAuthentication } from "./callers/caller-authentication.ts";
import type { Config } from "./config/config.ts";
import { watchReadiness } from "./jobs/readiness.ts";
import { CallLog } from "./log/call-log.ts";
import { RefusalLog } from "./log/refusal-log.ts";
import { RouteErrorLog } from "./log/route-error-log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { createMetrics, Readiness, serveMetrics, watchKeyAges } from "./observability.ts";
import { type EmbeddedDatabase, openEncryptedStorage } from "./open-encrypted-storage.ts";
import { prepareSigningKeys } from "./prepare-signing-keys.ts";
import { composeRoutes } from "./routes.ts";
import { authorizeCallers } from "./rpc/caller-authorization.ts";
import { decodeError, forbiddenError, tooLargeError, tooManyStreamsError } from "./rpc/errors.ts";
import { createHealth } from "./rpc/health.ts";
import { type FixedResponse, textResponse } from "./server/fixed-response.ts";
import { type Server, startServer } from "./server/server.ts";
import { AbsentKeys } from "./session/absent-keys.ts";
import type { CallContext } from "./session/call-context.ts";
import { type RandomBytes, secureRandomBytes } from "./session/ids.ts";
import { KeyRing } from "./session/key-ring.ts";
import { SigningKeys } from "./session/signing-keys.ts";
import type { UnreadableKeys } from "./session/unreadable-keys.ts";
import type { Storage } from "./storage/storage.ts";
import { Sweeps } from "./sweeps.ts";
import { watchTls } from "./tls-files.ts";
import { openTokens, prepareTokenKeys } from "./token-keys.ts";
import { watchUnreadableKeys } from "./unreadable-key-log.ts";

const CALL_LOG_TICK_MS = 1000;
const VALIDATE = `${SessionService.typeName}/${SessionService.method.validate.name}`;

export interface AppOptions {
  readonly config: Config;
  readonly log: Logger;
  /** For tests that take the randomness away. */
  readonly random?: RandomBytes;
  /** Ends the start, which then rejects with the signal's reason. Without effect afterwards. */
  readonly signal?: AbortSignal;
  /**
   * For one of several processes. Another process has done and reported what is done once: it has started
   * the embedded database, if there is one, and prepared the signing keys. It decides which one leads.
   */
  readonly worker?: { readonly embedded: EmbeddedDatabase | undefined; readonly worker: number };
  /** How many lines of the log were dropped since the start. */
  readonly droppedLogLines?: () => number;
}

export interface App {
  readonly server: Server;
  readonly storage: Storage;
  /** Undefined with an external database, and for a worker. */
  readonly embedded: EmbeddedPostgres | undefined;
  /** Has the number of calls that were refused because a signing key cannot be decrypted. */
  readonly unreadableKeys: UnreadableKeys;
  /** Undefined without SESSIOND_METRICS_PORT. */
  readonly metrics: Metrics | undefined;
  /** The public documents, by path, which the port of the metrics has, too. They do not reject. */
  readonly documents: ReadonlyMap<string, () => FixedResponse | Promise<FixedResponse>>;
  /** Where the metrics are served. Undefined also for a worker. */
  readonly metricsPort: number | undefined;
  /** Whether it can serve calls. */
  readonly readiness: Readiness;
  /** Checks at once for changed files, instead of at the next interval. */
  readFiles(): Promise<void>;
  /**
   * Begins what only one of several processes does: scheduled sweeps, and warnings that the certificate
   * expires. Only a worker must be told; for others it has no effect.
   */
  lead(): void;
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
  const { config, log, random = secureRandomBytes, signal, worker } = options;
  const boot: CallContext = { signal, callingService: "sessiond" };
  const tracing = stack.use(openAppTracing(config.server));

  const metrics = createMetrics(config, worker?.worker);
  if (metrics !== undefined) stack.use(metrics);
  const ready = new Readiness();
  /** What the port of the metrics serves, too; filled when the token keys are there. */
  const publicDocuments = new Map<string, () => FixedResponse | Promise<FixedResponse>>();
  // First: probes and people want to know how the start goes on.
  const metricsListener =
    metrics && worker === undefined
      ? await serveMetrics({
          config,
          log,
          scrape: () => metrics.snapshot({ reset: true }),
          ready: () => ready.state,
          documents: publicDocuments,
        })
      : undefined;
  if (metricsListener !== undefined) {
    stack.use(metricsListener);
    metrics?.addSources({ isReady: () => ready.state.isReady });
  }

  const callLog = new CallLog(log, {
    clock: () => performance.now(),
    sampled: { rpcs: [VALIDATE, CHECK], oneIn: config.log.validateSample },
  });
  const callLogTimer = setInterval(() => callLog.tick(), CALL_LOG_TICK_MS).unref();
  stack.defer(() => {
    clearInterval(callLogTimer);
    callLog.close();
  });

  if (worker === undefined) warnOfExposure(config.server.exposure, log);
  const callers = await createCallerAuthentication({
    config: config.callers,
    events: callersEvents(log),
  });
  stack.use(callers);

  const { embedded, storage, encryption } = await tracing.starting(() =>
    openEncryptedStorage(
      {
        config,
        log,
        random,
        signal,
        running: worker?.embedded,
        onBatch: metrics && ((statement, size) => metrics.batch(statement, size)),
        tracer: tracing.statements,
      },
      stack,
    ),
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
    (key, material) => {
      keyRing.add(key, material);
    },
  );
  const { unreadable } = await tracing.starting(() =>
    worker === undefined
      ? prepareSigningKeys(signingKeys, log, boot)
      : signingKeys.verifyAndRewrap(boot),
  );
  for (const key of unreadable) unreadableKeys.add(key);
  const tokenParts = { config, random, storage, encryption };
  if (worker === undefined) {
    await tracing.starting(() => prepareTokenKeys(tokenParts, log, boot));
  }
  const tokens = await openTokens(tokenParts, log, boot, stack, {
    tracing,
    onIssued: metrics && ((isCached) => metrics.tokenIssued({ isCached })),
  });
  for (const [path, document] of tokens.documents) publicDocuments.set(path, document);

  const sweeps = new Sweeps({ config, store: storage.sweep, log, tracing, metrics });
  const refusals = stack.use(new RefusalLog(log));
  const callObserver = createCallObserver(callLog, metrics);
  const routeErrors = new RouteErrorLog(log, () => performance.now());
  const health = createHealth([SessionService.typeName, Authorization.typeName]);
  const server = await startServer({
    ...config.server,
    routes: composeRoutes({
      config,
      random,
      storage,
      signingKeys,
      keyRing,
      tokens,
      health,
      observer: tracing.calls === undefined ? callLog : { observesSuccess: true },
      onForged: metrics && (() => metrics.forgedCookie()),
      checkObserver: createCheckObserver(callObserver, routeErrors, metrics),
      runSweep: (context, timeLimitMs) => sweeps.run(context, timeLimitMs),
    }),
    decodeError,
    tooLargeError,
    forbiddenError,
    tooManyStreamsError,
    documents: new Map([...tokens.documents, ["/", () => textResponse(about)]]),
    onError: (error, where) => log.debug({ err: error, where }, "connection or call failed"),
    onConnectionRefused(refusal) {
      refusals.connectionRefused(refusal);
      metrics?.connectionRefused(refusal.limit);
    },
    onConnectionAbused(abuse) {
      refusals.connectionAbused(abuse);
      metrics?.budgetViolated(abuse.budget);
    },
    onClientCertificateRefused: (reason, peer) => refusals.certificateRefused(reason, peer),
    observer: callObserver,
    meter: metrics?.meter,
    tracer: tracing.calls,
    authentication: authorizeCallers((call) => callers.identify(call), config.reflection),
  });
  stack.defer(() => drain(server, config, log));
  signal?.throwIfAborted();

  const tlsFiles = config.server.tls && (await watchTls(config.server.tls, server, log));
  if (tlsFiles !== undefined) stack.use(tlsFiles);
  metrics?.addSources({
    server: () => server.state(),
    database: () => storage.database.state(),
    isDatabaseUp: () => ready.isDatabaseUp,
    lastAnswerAgeSeconds: () => (performance.now() - storage.database.lastAnsweredAt) / 1000,
    tokenKeyAgeSeconds: () => secondsOf(tokens.keyAgeMs()),
    certificateExpiresAt: () => tlsFiles?.expiresAt,
    sweepDueAt: () => sweeps.dueAt,
    auditEventsDropped: () => storage.denialAudit.dropped,
    ...(options.droppedLogLines && { logLinesDropped: options.droppedLogLines }),
    ...(worker === undefined && {
      workers: () => ({ configured: 1, up: new Map([[1, true]]), restarts: 0 }),
    }),
  });

  let keyAges: Disposable | undefined;
  function lead(): void {
    tlsFiles?.warnOfExpiry();
    if (metrics !== undefined) {
      keyAges ??= watchKeyAges(
        (signal) => tracing.inSpan("sessiond.read_key_ages", () => storage.signingKeyAges(signal)),
        () => unreadableKeys.count,
        metrics,
        log,
      );
    }
    sweeps.startSchedule();
  }
  stack.defer(() => sweeps.stop());
  stack.defer(() => keyAges?.[Symbol.dispose]());
  if (worker === undefined) lead();

  health.setServing(true);
  ready.serving();
  stack.defer(async () => {
    health.setServing(false);
    ready.draining();
    await delay(config.server.drainDelayMs);
  });
  const readiness = watchReadiness({
    timeoutMs: config.server.readinessTimeoutMs,
    now: () => performance.now(),
    lastAnsweredAt: () => storage.database.lastAnsweredAt,
    probe: (signal) => storage.database.probe(signal),
    onChange(isUp, error) {
      health.setReady(isUp);
      ready.databaseChanged(isUp);
      if (isUp) log.info("the database answers again: reporting SERVING");
      else log.error({ err: error }, "the database does not answer: reporting NOT_SERVING");
    },
  });
  stack.defer(() => readiness.stop());

  tracing.started();
  const started = stack.move();
  let stopping: Promise<void> | undefined;
  return {
    server,
    storage,
    embedded,
    unreadableKeys,
    metrics,
    documents: publicDocuments,
    metricsPort: metricsListener?.port,
    readiness: ready,
    async readFiles() {
      await Promise.all([tlsFiles?.check(), callers.check()]);
    },
    lead,
    stop() {
      stopping ??= started.disposeAsync();
      return stopping;
    },
  };
}

function secondsOf(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

async function drain(server: Server, config: Config, log: Logger): Promise<void> {
  const { forced } = await server.drain(config.server.shutdownGraceMs);
  if (forced > 0) log.warn({ forced }, "calls ended by force after the shutdown grace");
}
