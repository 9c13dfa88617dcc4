/** Loads the configuration from the environment. All problems are reported at once. */

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { checkCrossField } from "./cross-field-checks.ts";
import { type Environment, EnvReader, type FileReader } from "./env-reader.ts";
import { exposureOf } from "./exposure.ts";
import { isLoopback } from "./loopback.ts";
import { resolveTimeouts } from "./timeout-defaults.ts";

/** Durations are in milliseconds. */
export type Config = ReturnType<typeof assemble>;

/** The configuration is invalid. The message and the problems contain no secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    super(`the configuration has ${count}:\n${problems.map((line) => `  - ${line}`).join("\n")}`);
    this.problems = problems;
  }
}

/** @throws {ConfigError} with all problems */
export function loadConfig(env: Environment, readFile?: FileReader): Config {
  return resolveConfig(env, readFile).config;
}

/**
 * The configuration, and the reader that knows where each value comes from.
 *
 * @throws {ConfigError} with all problems
 */
export function resolveConfig(
  env: Environment,
  readFile: FileReader = (path) => readFileSync(path, "utf8"),
): { readonly config: Config; readonly reader: EnvReader } {
  const reader = new EnvReader(env, readFile);
  reader.resolve("SESSIOND_DATA_DIR", [], defaultDataDirectory(env, process.getuid?.()));
  resolveTimeouts(reader);
  resolveProcess(reader);
  checkCrossField(reader);
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return { config: assemble(reader), reader };
}

/** The default of SESSIOND_DATA_DIR. `uid` is `undefined` where the system has no user ids. */
export function defaultDataDirectory(env: Environment, uid: number | undefined): string {
  if (uid === 0) return "/var/lib/sessiond";
  const xdg = env.XDG_DATA_HOME;
  // Relative paths must be ignored, says the XDG base directory specification.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, "sessiond");
  return join(env.HOME || homedir(), ".local", "share", "sessiond");
}

/** Resolves the settings of the process whose defaults depend on others. */
function resolveProcess(reader: EnvReader): void {
  const hosts = [isLoopback(reader.get("SESSIOND_HOST")) ? "localhost" : "*"];
  reader.resolve("SESSIOND_ALLOWED_HOSTS", ["SESSIOND_HOST"], hosts);
  reader.resolve("SESSIOND_METRICS_HOST", ["SESSIOND_HOST"], reader.get("SESSIOND_HOST"));
  const connections = ["SESSIOND_MAX_CONNECTIONS"] as const;
  const quarter = Math.ceil(reader.get("SESSIOND_MAX_CONNECTIONS") / 4);
  reader.resolve("SESSIOND_MAX_CONNECTIONS_PER_PEER", connections, quarter);
  const defaultPoolSize = Math.max(10, 4 * reader.get("SESSIOND_WORKERS"));
  reader.resolve("SESSIOND_DATABASE_POOL_SIZE", ["SESSIOND_WORKERS"], defaultPoolSize);
  const streams = Math.ceil(reader.get("SESSIOND_MAX_STREAMS") / 4);
  reader.resolve("SESSIOND_MAX_STREAMS_PER_PEER", ["SESSIOND_MAX_STREAMS"], streams);
}

/** Where metrics are served. `undefined`: nowhere, and nothing is counted. */
function metricsOf(reader: EnvReader) {
  const port = reader.get("SESSIOND_METRICS_PORT");
  if (port === undefined) return undefined;
  /** A port of 0 takes any free one. */
  return { host: reader.get("SESSIOND_METRICS_HOST"), port };
}

function vault(reader: EnvReader) {
  const address = reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS");
  const key = reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_KEY");
  const tokenFile = reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE");
  if (address === undefined || key === undefined || tokenFile === undefined) return undefined;
  return {
    address,
    /** Of the transit secrets engine. */
    key,
    mount: reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_MOUNT"),
    namespace: reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_NAMESPACE"),
    tokenFile,
    /** In PEM form. `undefined`: Node's. */
    ca: reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_CA"),
    timeoutMs: reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_TIMEOUT"),
    /** How long a start waits for Vault: 0 to 1 h. */
    startTimeoutMs: reader.get("SESSIOND_KEY_ENCRYPTION_VAULT_START_TIMEOUT"),
  } as const;
}

/** How callers authenticate. `undefined`: they do not. */
function callersOf(reader: EnvReader) {
  const file = reader.get("SESSIOND_CALLERS_FILE");
  if (file === undefined) return undefined;
  const jwks = reader.get("SESSIOND_JWT_JWKS");
  /** Whether callers may authenticate with certificates. */
  const certificates = reader.get("SESSIOND_TLS_CLIENT_CA") !== undefined;
  if (jwks === undefined) return { file, certificates, jwt: undefined };
  return {
    file,
    certificates,
    jwt: {
      /** The path or the URL of the keys. */
      jwks,
      issuer: required(reader, "SESSIOND_JWT_ISSUER"),
      audience: required(reader, "SESSIOND_JWT_AUDIENCE"),
      algorithms: reader.get("SESSIOND_JWT_ALGORITHMS"),
    },
  };
}

/** What the authorization service for Envoy goes by. */
function extAuthz(reader: EnvReader) {
  const audience = reader.get("SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE");
  return {
    /** Whether an allowed request records activity, unless its route says otherwise. */
    touch: reader.get("SESSIOND_EXT_AUTHZ_TOUCH"),
    csrfHeader: reader.get("SESSIOND_EXT_AUTHZ_CSRF_HEADER"),
    /** With the placeholders `{url}` and `{path}`. `undefined`: nothing is redirected. */
    loginUrl: reader.get("SESSIOND_EXT_AUTHZ_LOGIN_URL"),
    /** Proxies before Envoy: 0 to 10. */
    trustedHops: reader.get("SESSIOND_EXT_AUTHZ_TRUSTED_HOPS"),
    /** The token for upstreams. `undefined`: they get none. */
    token:
      audience === undefined
        ? undefined
        : { audience, header: reader.get("SESSIOND_EXT_AUTHZ_TOKEN_HEADER") },
  } as const;
}

/**
 * The value of a setting that others require.
 *
 * @throws {Error} without one, which the cross-field checks should have found: a default could accept
 * what nobody has decided to accept
 */
function required(
  reader: EnvReader,
  name: "SESSIOND_JWT_ISSUER" | "SESSIOND_JWT_AUDIENCE",
): string {
  const value = reader.get(name);
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

/** The tokens for upstreams. `undefined`: none are issued. */
function tokensOf(reader: EnvReader) {
  const issuer = reader.get("SESSIOND_TOKEN_ISSUER");
  if (issuer === undefined) return undefined;
  return {
    issuer,
    /** One at least. */
    audiences: reader.get("SESSIOND_TOKEN_AUDIENCES") ?? [],
    /** Whole seconds, from 10 s to 5 min. */
    lifetimeMs: reader.get("SESSIOND_TOKEN_LIFETIME"),
    keys: {
      algorithm: reader.get("SESSIOND_TOKEN_ALGORITHM"),
      publishDelayMs: reader.get("SESSIOND_TOKEN_KEY_PUBLISH_DELAY"),
    },
  } as const;
}

function assemble(reader: EnvReader) {
  const allowedHosts = reader.get("SESSIOND_ALLOWED_HOSTS");
  const certificate = reader.get("SESSIOND_TLS_CERT");
  const key = reader.get("SESSIOND_TLS_KEY");
  return {
    /** The number of processes that serve: 1 to 64. With 1, there is no other process. */
    workers: reader.get("SESSIOND_WORKERS"),
    server: {
      host: reader.get("SESSIOND_HOST"),
      /** 0 takes any free port. */
      port: reader.get("SESSIOND_PORT"),
      /** Other than `protected` only if a setting permits it. */
      exposure: exposureOf(reader),
      /** All in PEM form; the key is the certificate's. `undefined`: plain HTTP. */
      tls:
        certificate === undefined || key === undefined
          ? undefined
          : {
              certificate,
              key,
              /** Of the authorities of client certificates. `undefined`: none are asked for. */
              clientCa: reader.get("SESSIOND_TLS_CLIENT_CA"),
              clientCertificate: reader.get("SESSIOND_TLS_CLIENT_CERTIFICATE"),
              /** The files that the values come from, if they do. */
              files: {
                certificate: reader.file("SESSIOND_TLS_CERT"),
                key: reader.file("SESSIOND_TLS_KEY"),
                clientCa: reader.file("SESSIOND_TLS_CLIENT_CA"),
              },
            },
      limits: {
        /** Of one request message after decompression: 8 KiB to 4 MiB. */
        maxMessageBytes: reader.get("SESSIOND_MAX_MESSAGE_BYTES"),
        /** The longest a call may run, and the deadline of calls that set none: 100 ms to 10 min. */
        maxDeadlineMs: reader.get("SESSIOND_MAX_DEADLINE"),
        /** Calls in flight on one HTTP/2 connection: 1 to 100,000. */
        maxConcurrentStreams: reader.get("SESSIOND_MAX_CONCURRENT_STREAMS"),
        /** Of the headers of one request: 4 KiB to 1 MiB. */
        maxHeaderBytes: reader.get("SESSIOND_MAX_HEADER_BYTES"),
        /** Open at a time: 1 to 1,000,000. */
        maxConnections: reader.get("SESSIOND_MAX_CONNECTIONS"),
        /** Open at a time from one peer address: 1 to 1,000,000. */
        maxConnectionsPerPeer: reader.get("SESSIOND_MAX_CONNECTIONS_PER_PEER"),
        /** Streaming calls at a time: 1 to 1,000,000. */
        maxStreams: reader.get("SESSIOND_MAX_STREAMS"),
        /** Streaming calls at a time from one peer address: 1 to 1,000,000. */
        maxStreamsPerPeer: reader.get("SESSIOND_MAX_STREAMS_PER_PEER"),
        /** Streaming calls at a time on one connection: 1 to 100,000. */
        maxStreamsPerConnection: reader.get("SESSIOND_MAX_STREAMS_PER_CONNECTION"),
        /** A streaming call is ended after this time: 1 s to 24 h. */
        maxStreamAgeMs: reader.get("SESSIOND_MAX_STREAM_AGE"),
        /** A connection without calls is closed after this time: 1 s to 24 h. */
        idleConnectionTimeoutMs: reader.get("SESSIOND_IDLE_CONNECTION_TIMEOUT"),
      },
      origins: {
        /** The names that a plain HTTP/1.1 request may have in Host. `undefined`: every one. */
        allowedHosts: allowedHosts.includes("*") ? undefined : allowedHosts,
        /** The values of Origin that web pages may have. */
        allowedOrigins: reader.get("SESSIOND_ALLOWED_ORIGINS") ?? [],
      },
      /** How long calls in flight may take to finish, after the drain delay. */
      shutdownGraceMs: reader.get("SESSIOND_SHUTDOWN_GRACE"),
      /** The time between reporting NOT_SERVING and refusing connections. */
      drainDelayMs: reader.get("SESSIOND_DRAIN_DELAY"),
      /** How long the database may be silent before the service is reported as NOT_SERVING. */
      readinessTimeoutMs: reader.get("SESSIOND_READINESS_TIMEOUT"),
    },
    metrics: metricsOf(reader),
    callers: callersOf(reader),
    /** Who may use reflection. */
    reflection: reader.get("SESSIOND_REFLECTION"),
    extAuthz: extAuthz(reader),
    admission: {
      /** In flight at a time: 1 to 1,000,000. */
      maxCallsPerCaller: reader.get("SESSIOND_MAX_CALLS_PER_CALLER"),
      /** `undefined`: no limit. */
      ratePerCaller: reader.get("SESSIOND_RATE_PER_CALLER"),
    },
    database: {
      /** `undefined`: the embedded PostgreSQL. */
      url: reader.get("SESSIOND_DATABASE_URL"),
      /** Of the embedded PostgreSQL. As written in the environment, possibly relative. */
      dataDirectory: reader.get("SESSIOND_DATA_DIR"),
      /** Of all workers together, with at least two for each. */
      poolSize: reader.get("SESSIOND_DATABASE_POOL_SIZE"),
      queueLimit: reader.get("SESSIOND_DATABASE_QUEUE_LIMIT"),
      queueTimeoutMs: reader.get("SESSIOND_DATABASE_QUEUE_TIMEOUT"),
      connectTimeoutMs: reader.get("SESSIOND_DATABASE_CONNECT_TIMEOUT"),
      /** How long a start waits for the database: 0 to 1 h. */
      startTimeoutMs: reader.get("SESSIOND_DATABASE_START_TIMEOUT"),
      statementTimeoutMs: reader.get("SESSIOND_DATABASE_STATEMENT_TIMEOUT"),
      preparedStatements: reader.get("SESSIOND_DATABASE_PREPARED_STATEMENTS"),
    },
    keyEncryption: {
      /** What encrypts signing keys. All that is configured decrypts. */
      provider: reader.get("SESSIOND_KEY_ENCRYPTION_PROVIDER"),
      /** 32 bytes each. Empty with the embedded PostgreSQL or with Vault only. */
      localKeys: reader.get("SESSIOND_KEY_ENCRYPTION_KEYS") ?? [],
      vault: vault(reader),
    },
    tokens: tokensOf(reader),
    timeouts: {
      idleMs: reader.get("SESSIOND_IDLE_TIMEOUT"),
      absoluteMs: reader.get("SESSIOND_ABSOLUTE_TIMEOUT"),
      maxIdleMs: reader.get("SESSIOND_MAX_IDLE_TIMEOUT"),
      maxAbsoluteMs: reader.get("SESSIOND_MAX_ABSOLUTE_TIMEOUT"),
      preLoginMs: reader.get("SESSIOND_PRE_LOGIN_TIMEOUT"),
      touchIntervalMs: reader.get("SESSIOND_TOUCH_INTERVAL"),
      idleWarningMs: reader.get("SESSIOND_IDLE_WARNING"),
      absoluteWarningMs: reader.get("SESSIOND_ABSOLUTE_WARNING"),
      keyRetentionMs: reader.get("SESSIOND_SIGNING_KEY_RETENTION"),
      maxRotationGraceMs: reader.get("SESSIOND_MAX_ROTATION_GRACE"),
    },
    cookies: {
      secure: reader.get("SESSIOND_COOKIE_SECURE"),
      sameSite: reader.get("SESSIOND_COOKIE_SAME_SITE"),
      sessionName: reader.get("SESSIOND_COOKIE_NAME"),
      preLoginName: reader.get("SESSIOND_PRE_LOGIN_COOKIE_NAME"),
      csrfName: reader.get("SESSIOND_CSRF_COOKIE_NAME"),
    },
    bindings: {
      ip: reader.get("SESSIOND_BIND_IP"),
      userAgent: reader.get("SESSIOND_BIND_USER_AGENT"),
    },
    sessionLimit: {
      maxPerActor: reader.get("SESSIOND_MAX_SESSIONS_PER_ACTOR"),
      policy: reader.get("SESSIOND_SESSION_LIMIT_POLICY"),
    },
    tenants: {
      /** Whether callers of all tenants must name one in each request. */
      required: reader.get("SESSIOND_REQUIRE_TENANT"),
    },
    sweep: {
      historyMs: reader.get("SESSIOND_HISTORY_WINDOW"),
      auditRetentionMs: reader.get("SESSIOND_AUDIT_RETENTION"),
      timeLimitMs: reader.get("SESSIOND_SWEEP_TIME_LIMIT"),
      batchSize: reader.get("SESSIOND_SWEEP_BATCH_SIZE"),
      /** A cron expression. `undefined`: no scheduled sweep. */
      schedule: reader.get("SESSIOND_SWEEP_SCHEDULE"),
      jitterMs: reader.get("SESSIOND_SWEEP_JITTER"),
    },
    /** Whether every denied cookie gets the same reason. */
    uniformErrors: reader.get("SESSIOND_UNIFORM_ERRORS"),
    audit: {
      denials: reader.get("SESSIOND_AUDIT_REFUSALS"),
      queueLimit: reader.get("SESSIOND_AUDIT_QUEUE_LIMIT"),
    },
    log: {
      level: reader.get("SESSIOND_LOG_LEVEL"),
      format: reader.get("SESSIOND_LOG_FORMAT"),
      /** Of this many successful Validates, one is logged at level debug. */
      validateSample: reader.get("SESSIOND_LOG_VALIDATE_SAMPLE"),
    },
  } as const;
}
