/**
 * From the environment to what the rest of sessiond is built from: typed, defaulted, cross-checked.
 * All that is wrong is reported at once, by the names of the variables.
 */

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { TransportLimits } from "../server/server.ts";
import type {
  BindingPolicy,
  CookiePolicy,
  SessionLimit,
  SweepPolicy,
  TimeoutPolicy,
} from "../session/policy.ts";
import { timeoutProfiles } from "../session/profiles.ts";
import { checkTogether } from "./cross-field-checks.ts";
import { type Environment, type FileReader, Reading } from "./env-reader.ts";
import type { SettingName, SettingValue } from "./settings.ts";

export type LogLevel = SettingValue<"SESSIOND_LOG_LEVEL">;

export interface ServerConfig {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Both in PEM form, and they belong together. `undefined`: plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  readonly limits: TransportLimits;
  /** How long calls under way may take to finish, after the drain delay. */
  readonly shutdownGraceMs: number;
  /** Between saying NOT_SERVING and refusing connections. */
  readonly drainDelayMs: number;
}

export interface DatabaseConfig {
  /** `undefined`: the embedded PostgreSQL. */
  readonly url: string | undefined;
  /** Of the embedded PostgreSQL. As it was given, possibly relative. */
  readonly dataDirectory: string;
  readonly poolSize: number;
  readonly queueLimit: number;
  readonly queueTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly preparedStatements: boolean;
}

export interface SweepConfig extends SweepPolicy {
  /** A cron expression. `undefined`: no sweep by itself. */
  readonly schedule: string | undefined;
  readonly jitterMs: number;
}

export interface Config {
  readonly server: ServerConfig;
  readonly database: DatabaseConfig;
  /** 32 bytes each, the first one encrypts. Empty with the embedded PostgreSQL only. */
  readonly keyEncryptionKeys: readonly Buffer[];
  readonly timeouts: TimeoutPolicy;
  readonly cookies: CookiePolicy;
  readonly bindings: BindingPolicy;
  readonly sessionLimit: SessionLimit;
  readonly sweep: SweepConfig;
  /** Refused cookies are all answered alike. */
  readonly uniformErrors: boolean;
  readonly audit: { readonly refusals: boolean; readonly queueLimit: number };
  readonly logLevel: LogLevel;
}

/** The environment does not make a configuration. Its message and problems hold no secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    super(`the configuration has ${count}:\n${problems.map((line) => `  - ${line}`).join("\n")}`);
    this.problems = problems;
  }
}

/** @throws {ConfigError} with everything that is wrong */
export function loadConfig(env: Environment, readFile?: FileReader): Config {
  return resolveConfig(env, readFile).config;
}

/**
 * Where the embedded PostgreSQL keeps its data unless SESSIOND_DATA_DIR says otherwise. `uid` is
 * `undefined` where the system has no user ids.
 */
export function defaultDataDirectory(env: Environment, uid: number | undefined): string {
  if (uid === 0) return "/var/lib/sessiond";
  const xdg = env.XDG_DATA_HOME;
  // The XDG base directory specification has relative paths ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, "sessiond");
  return join(env.HOME || homedir(), ".local", "share", "sessiond");
}

/**
 * The configuration, and the reader that knows where each value comes from.
 *
 * @throws {ConfigError} with all problems
 */
export function resolveConfig(
  env: Environment,
  readFile: FileReader = (path) => readFileSync(path, "utf8"),
): { readonly config: Config; readonly reading: Reading } {
  const reading = new Reading(env, readFile);
  const config = assemble(reading, defaultDataDirectory(env, process.getuid?.()));
  checkTogether(reading, config);
  if (reading.problems.length > 0) throw new ConfigError(reading.problems);
  return { config, reading };
}

function assemble(reading: Reading, dataDirectory: string): Config {
  const certificate = reading.get("SESSIOND_TLS_CERT");
  const key = reading.get("SESSIOND_TLS_KEY");
  return {
    server: {
      host: reading.get("SESSIOND_HOST"),
      port: reading.get("SESSIOND_PORT"),
      tls: certificate === undefined || key === undefined ? undefined : { certificate, key },
      limits: {
        maxMessageBytes: reading.get("SESSIOND_MAX_MESSAGE_BYTES"),
        maxDeadlineMs: reading.get("SESSIOND_MAX_DEADLINE"),
        maxConcurrentStreams: reading.get("SESSIOND_MAX_CONCURRENT_STREAMS"),
        maxHeaderBytes: reading.get("SESSIOND_MAX_HEADER_BYTES"),
        maxConnections: reading.get("SESSIOND_MAX_CONNECTIONS"),
        idleConnectionTimeoutMs: reading.get("SESSIOND_IDLE_CONNECTION_TIMEOUT"),
      },
      shutdownGraceMs: reading.get("SESSIOND_SHUTDOWN_GRACE"),
      drainDelayMs: reading.get("SESSIOND_DRAIN_DELAY"),
    },
    database: {
      url: reading.get("SESSIOND_DATABASE_URL"),
      dataDirectory: reading.getOr("SESSIOND_DATA_DIR", dataDirectory),
      poolSize: reading.get("SESSIOND_DATABASE_POOL_SIZE"),
      queueLimit: reading.get("SESSIOND_DATABASE_QUEUE_LIMIT"),
      queueTimeoutMs: reading.get("SESSIOND_DATABASE_QUEUE_TIMEOUT"),
      connectTimeoutMs: reading.get("SESSIOND_DATABASE_CONNECT_TIMEOUT"),
      statementTimeoutMs: reading.get("SESSIOND_DATABASE_STATEMENT_TIMEOUT"),
      preparedStatements: reading.get("SESSIOND_DATABASE_PREPARED_STATEMENTS"),
    },
    keyEncryptionKeys: reading.get("SESSIOND_KEY_ENCRYPTION_KEYS") ?? [],
    timeouts: assembleTimeouts(reading),
    cookies: {
      secure: reading.get("SESSIOND_COOKIE_SECURE"),
      sameSite: reading.get("SESSIOND_COOKIE_SAME_SITE"),
      sessionName: reading.get("SESSIOND_COOKIE_NAME"),
      preLoginName: reading.get("SESSIOND_PRE_LOGIN_COOKIE_NAME"),
      csrfName: reading.get("SESSIOND_CSRF_COOKIE_NAME"),
    },
    bindings: {
      ip: reading.get("SESSIOND_BIND_IP"),
      userAgent: reading.get("SESSIOND_BIND_USER_AGENT"),
    },
    sessionLimit: {
      maxPerActor: reading.get("SESSIOND_MAX_SESSIONS_PER_ACTOR"),
      policy: reading.get("SESSIOND_SESSION_LIMIT_POLICY"),
    },
    sweep: {
      historyMs: reading.get("SESSIOND_HISTORY_WINDOW"),
      auditRetentionMs: reading.get("SESSIOND_AUDIT_RETENTION"),
      timeLimitMs: reading.get("SESSIOND_SWEEP_TIME_LIMIT"),
      batchSize: reading.get("SESSIOND_SWEEP_BATCH_SIZE"),
      schedule: reading.get("SESSIOND_SWEEP_SCHEDULE"),
      jitterMs: reading.get("SESSIOND_SWEEP_JITTER"),
    },
    uniformErrors: reading.get("SESSIOND_UNIFORM_ERRORS"),
    audit: {
      refusals: reading.get("SESSIOND_AUDIT_REFUSALS"),
      queueLimit: reading.get("SESSIOND_AUDIT_QUEUE_LIMIT"),
    },
    logLevel: reading.get("SESSIOND_LOG_LEVEL"),
  };
}

const wholeSecondsOf = (ms: number) => Math.floor(ms / 1000) * 1000;

/** Each default that depends on another timeout keeps the checks, so that setting one suffices. */
function assembleTimeouts(reading: Reading): TimeoutPolicy {
  const profileName = reading.get("SESSIOND_TIMEOUT_PROFILE");
  const profile = profileName === undefined ? undefined : timeoutProfiles[profileName];
  const pair = {
    idleMs: profile?.idleMs ?? reading.get("SESSIOND_IDLE_TIMEOUT"),
    absoluteMs: profile?.absoluteMs ?? reading.get("SESSIOND_ABSOLUTE_TIMEOUT"),
  };
  const source = profile === undefined ? "default" : "profile";
  const of: readonly SettingName[] = ["SESSIOND_TIMEOUT_PROFILE"];
  const idleMs = reading.getOr("SESSIOND_IDLE_TIMEOUT", pair.idleMs, of, source);
  const absoluteMs = reading.getOr("SESSIOND_ABSOLUTE_TIMEOUT", pair.absoluteMs, of, source);
  const ofIdle: readonly SettingName[] = ["SESSIOND_IDLE_TIMEOUT"];
  const ofAbsolute: readonly SettingName[] = ["SESSIOND_ABSOLUTE_TIMEOUT"];

  const maxIdleMs = reading.getOr("SESSIOND_MAX_IDLE_TIMEOUT", idleMs, ofIdle);
  const maxAbsoluteMs = reading.getOr("SESSIOND_MAX_ABSOLUTE_TIMEOUT", absoluteMs, ofAbsolute);
  const preLoginMs = reading.get("SESSIOND_PRE_LOGIN_TIMEOUT");
  const touchIntervalMs = Math.min(30_000, Math.floor(idleMs / 60));
  const idleWarningMs = Math.min(300_000, wholeSecondsOf(idleMs / 2));
  const absoluteWarningMs = Math.min(1_800_000, wholeSecondsOf(absoluteMs / 2));
  const keyRetentionMs = Math.max(maxAbsoluteMs, preLoginMs) + 3_600_000;
  return {
    idleMs,
    absoluteMs,
    maxIdleMs,
    maxAbsoluteMs,
    preLoginMs,
    touchIntervalMs: reading.getOr("SESSIOND_TOUCH_INTERVAL", touchIntervalMs, ofIdle),
    idleWarningMs: reading.getOr("SESSIOND_IDLE_WARNING", idleWarningMs, ofIdle),
    absoluteWarningMs: reading.getOr("SESSIOND_ABSOLUTE_WARNING", absoluteWarningMs, ofAbsolute),
    keyRetentionMs: reading.getOr("SESSIOND_SIGNING_KEY_RETENTION", keyRetentionMs, [
      "SESSIOND_MAX_ABSOLUTE_TIMEOUT",
      "SESSIOND_PRE_LOGIN_TIMEOUT",
    ]),
  };
}
