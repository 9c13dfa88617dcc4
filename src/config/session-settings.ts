/** The settings of sessions: timeouts, cookies, rules, audit and sweep. */

import { timeoutProfileNames } from "../session/profiles.ts";
import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

/** Browsers limit Max-Age to this (RFC 6265bis, section 5.5). */
const LONGEST_COOKIE = "400d";
const TEN_YEARS = "3650d";

export const timeouts = {
  SESSIOND_TIMEOUT_PROFILE: setting(parsers.choice(timeoutProfileNames), {
    doc:
      "Sets the defaults of SESSIOND_IDLE_TIMEOUT and SESSIOND_ABSOLUTE_TIMEOUT. If one of them is " +
      "set, it overrides the profile.",
  }),
  SESSIOND_IDLE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    default: "30m",
    doc: "A session expires after this time without activity.",
  }),
  SESSIOND_ABSOLUTE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    default: "12h",
    doc: "A session expires this long after it was created, regardless of activity.",
  }),
  SESSIOND_MAX_IDLE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    derived: "the idle timeout",
    doc: "The longest idle timeout that a Create request may set.",
  }),
  SESSIOND_MAX_ABSOLUTE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    derived: "the absolute timeout",
    doc: "The longest absolute timeout that a Create request may set.",
  }),
  SESSIOND_PRE_LOGIN_TIMEOUT: setting(parsers.wholeSeconds("1s", "1d"), {
    default: "10m",
    doc: "The absolute timeout of a pre-login session.",
  }),
  SESSIOND_TOUCH_INTERVAL: setting(parsers.duration("0s", "1d"), {
    derived: "a sixtieth of the idle timeout, at most 30s",
    doc:
      "A touch is written only if the last one is at least this old. So a session may expire up to " +
      "this much earlier than its idle timeout. With 0s, every touch is written.",
  }),
  SESSIOND_MAX_ROTATION_GRACE: setting(parsers.duration("0s", "5m"), {
    default: "30s",
    doc:
      "The longest grace that a RotateSession request may set. Within it, the old cookie is still " +
      "accepted for the new session, for requests that the browser has already sent.",
  }),
  SESSIOND_IDLE_WARNING: setting(parsers.wholeSeconds("0s", LONGEST_COOKIE), {
    derived: "half the idle timeout, at most 5m",
    doc: "Validate warns if at most this time is left until the idle deadline. With 0s, it never warns.",
  }),
  SESSIOND_ABSOLUTE_WARNING: setting(parsers.wholeSeconds("0s", LONGEST_COOKIE), {
    derived: "half the absolute timeout, at most 30m",
    doc: "Validate warns if at most this time is left until the absolute deadline. With 0s, it never warns.",
  }),
} satisfies SettingGroup;

export const cookies = {
  SESSIOND_COOKIE_SECURE: setting(parsers.boolean, {
    default: "true",
    doc:
      "Whether browsers reach the application over TLS. If so, cookies are Secure and their names " +
      "have the prefix `__Host-`. Set it to false only for development without TLS.",
  }),
  SESSIOND_COOKIE_SAME_SITE: setting(parsers.choice(["strict", "lax", "none"]), {
    default: "lax",
    doc: "The SameSite attribute of the cookies. `none` requires SESSIOND_COOKIE_SECURE.",
  }),
  SESSIOND_COOKIE_NAME: setting(parsers.cookieName, {
    default: "session",
    doc: "The name of the session cookie, without the prefix.",
  }),
  SESSIOND_PRE_LOGIN_COOKIE_NAME: setting(parsers.cookieName, {
    default: "prelogin",
    doc: "The name of the cookie of a pre-login session, without the prefix.",
  }),
  SESSIOND_CSRF_COOKIE_NAME: setting(parsers.cookieName, {
    default: "csrf",
    doc: "The name of the CSRF cookie, without the prefix.",
  }),
} satisfies SettingGroup;

export const rules = {
  SESSIOND_BIND_IP: setting(parsers.boolean, {
    default: "false",
    doc:
      "Whether to deny a session if the browser's address is known and has changed. Addresses change " +
      "often in mobile networks.",
  }),
  SESSIOND_BIND_USER_AGENT: setting(parsers.boolean, {
    default: "false",
    doc:
      "Whether to deny a session if the browser's user agent is known and has changed. A browser " +
      "update changes it.",
  }),
  SESSIOND_UNIFORM_ERRORS: setting(parsers.boolean, {
    default: "false",
    doc: "Whether every denied cookie gets the reason INVALID_COOKIE. The audit log has the real reason.",
  }),
  SESSIOND_REQUIRE_TENANT: setting(parsers.boolean, {
    default: "false",
    doc:
      "Whether each request must name its tenant. If so, a request that leaves one out fails, where it " +
      "would otherwise mean the tenant `default` or a session of any tenant.",
  }),
  SESSIOND_MAX_SESSIONS_PER_ACTOR: setting(parsers.integer(0, 100_000), {
    default: "0",
    doc: "The maximum number of live sessions of one actor (ASVS 7.1.2). 0: no limit.",
  }),
  SESSIOND_SESSION_LIMIT_POLICY: setting(parsers.choice(["evict_oldest", "reject"]), {
    default: "evict_oldest",
    doc: "Whether a Create at that limit revokes the actor's oldest session or fails.",
  }),
} satisfies SettingGroup;

export const audit = {
  SESSIOND_AUDIT_RETENTION: setting(parsers.wholeSeconds("1s", TEN_YEARS), {
    default: "90d",
    doc: "How long audit events are kept.",
  }),
  SESSIOND_AUDIT_REFUSALS: setting(parsers.boolean, {
    default: "true",
    doc:
      "Whether denials are audited. Their audit events are written in the background. Changes are " +
      "always audited.",
  }),
  SESSIOND_AUDIT_QUEUE_LIMIT: setting(parsers.integer(1, 1_000_000), {
    default: "10000",
    doc: "The maximum number of denials that wait to be written. Further ones are dropped and counted.",
  }),
} satisfies SettingGroup;

export const sweep = {
  SESSIOND_SWEEP_SCHEDULE: setting(parsers.cronOrOff, {
    default: "0 * * * *",
    doc:
      "When the sweep runs: a cron expression of five fields, or of six with the seconds first, in the " +
      "time zone of the process. With `off`, only GarbageCollect calls start a sweep.",
  }),
  SESSIOND_SWEEP_JITTER: setting(parsers.duration("0s", "1h"), {
    default: "5m",
    doc: "Each scheduled sweep is delayed by a random time of up to this, so that replicas do not start together.",
  }),
  SESSIOND_SWEEP_TIME_LIMIT: setting(parsers.duration("1s", "1h"), {
    default: "1m",
    doc: "A sweep stops after this time. The next one deletes the rest.",
  }),
  SESSIOND_SWEEP_BATCH_SIZE: setting(parsers.integer(1, 100_000), {
    default: "1000",
    doc: "The maximum number of rows that one statement of a sweep deletes.",
  }),
  SESSIOND_HISTORY_WINDOW: setting(parsers.wholeSeconds("0s", TEN_YEARS), {
    default: "7d",
    doc:
      "How long an ended session is kept, at least. The first sweep that runs this long after its " +
      "absolute deadline deletes it. With 0s, it is not kept beyond that deadline.",
  }),
} satisfies SettingGroup;
