/** The settings of sessions: how long they live, what they look like, which rules they follow. */

import { timeoutProfileNames } from "../session/profiles.ts";
import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

/** Browsers cut a longer Max-Age to this (RFC 6265bis, section 5.5). */
const LONGEST_COOKIE = "400d";
const TEN_YEARS = "3650d";

export const timeouts = {
  SESSIOND_TIMEOUT_PROFILE: setting(parsers.choice(timeoutProfileNames), {
    doc:
      "Sets the defaults of SESSIOND_IDLE_TIMEOUT and SESSIOND_ABSOLUTE_TIMEOUT at once. Either " +
      "variable, if set, wins.",
  }),
  SESSIOND_IDLE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    default: "30m",
    doc: "A session without activity for this long expires.",
  }),
  SESSIOND_ABSOLUTE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    default: "12h",
    doc: "A session expires this long after it was opened, whatever happens.",
  }),
  SESSIOND_MAX_IDLE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    derived: "the idle timeout",
    doc: "The longest idle timeout that Create may ask for.",
  }),
  SESSIOND_MAX_ABSOLUTE_TIMEOUT: setting(parsers.wholeSeconds("1s", LONGEST_COOKIE), {
    derived: "the absolute timeout",
    doc: "The longest absolute timeout that Create may ask for.",
  }),
  SESSIOND_PRE_LOGIN_TIMEOUT: setting(parsers.wholeSeconds("1s", "1d"), {
    default: "10m",
    doc: "The absolute timeout of a session that was opened before login.",
  }),
  SESSIOND_TOUCH_INTERVAL: setting(parsers.duration("0s", "1d"), {
    derived: "a sixtieth of the idle timeout, at most 30s",
    doc:
      "A touch is written only when the last one is at least this old, so a session may expire " +
      "this much before its idle timeout. 0s writes every touch.",
  }),
  SESSIOND_IDLE_WARNING: setting(parsers.wholeSeconds("0s", LONGEST_COOKIE), {
    derived: "half the idle timeout, at most 5m",
    doc: "Validate warns when this much or less is left to the idle deadline. 0s never warns.",
  }),
  SESSIOND_ABSOLUTE_WARNING: setting(parsers.wholeSeconds("0s", LONGEST_COOKIE), {
    derived: "half the absolute timeout, at most 30m",
    doc: "Validate warns when this much or less is left to the absolute deadline. 0s never warns.",
  }),
} satisfies SettingGroup;

export const cookies = {
  SESSIOND_COOKIE_SECURE: setting(parsers.boolean, {
    default: "true",
    doc:
      "Whether browsers reach the application over TLS. If so, cookies are Secure and their names " +
      "get the prefix `__Host-`. Turn it off for development without TLS only.",
  }),
  SESSIOND_COOKIE_SAME_SITE: setting(parsers.choice(["strict", "lax", "none"]), {
    default: "lax",
    doc: "The SameSite attribute. `none` needs SESSIOND_COOKIE_SECURE.",
  }),
  SESSIOND_COOKIE_NAME: setting(parsers.cookieName, {
    default: "session",
    doc: "The name of the session cookie, without prefix.",
  }),
  SESSIOND_PRE_LOGIN_COOKIE_NAME: setting(parsers.cookieName, {
    default: "prelogin",
    doc: "The name of the cookie of a session that was opened before login, without prefix.",
  }),
  SESSIOND_CSRF_COOKIE_NAME: setting(parsers.cookieName, {
    default: "csrf",
    doc: "The name of the CSRF cookie, without prefix.",
  }),
} satisfies SettingGroup;

export const rules = {
  SESSIOND_BIND_IP: setting(parsers.boolean, {
    default: "false",
    doc:
      "Refuse a session when the browser's address is known to have changed. People on mobile " +
      "networks change addresses often.",
  }),
  SESSIOND_BIND_USER_AGENT: setting(parsers.boolean, {
    default: "false",
    doc:
      "Refuse a session when the browser's user agent is known to have changed. A browser update " +
      "changes it.",
  }),
  SESSIOND_UNIFORM_ERRORS: setting(parsers.boolean, {
    default: "false",
    doc: "Answer every refusal of a cookie with INVALID_COOKIE. The audit log keeps the reason.",
  }),
  SESSIOND_MAX_SESSIONS_PER_ACTOR: setting(parsers.integer(0, 100_000), {
    default: "0",
    doc: "How many live sessions one actor may have (ASVS 7.1.2). 0 is no limit.",
  }),
  SESSIOND_SESSION_LIMIT_POLICY: setting(parsers.choice(["evict_oldest", "reject"]), {
    default: "evict_oldest",
    doc: "What a Create beyond that limit does: revoke the actor's oldest session, or fail.",
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
      "Whether refusals on the read path are audited. They are written in the background. Changes " +
      "are always audited.",
  }),
  SESSIOND_AUDIT_QUEUE_LIMIT: setting(parsers.integer(1, 1_000_000), {
    default: "10000",
    doc: "How many refusals may wait to be written. Any beyond that are dropped and counted.",
  }),
} satisfies SettingGroup;

export const sweep = {
  SESSIOND_SWEEP_SCHEDULE: setting(parsers.cronOrOff, {
    default: "0 * * * *",
    doc:
      "When to delete what is past its time: a cron expression of five fields, or six with " +
      "seconds in front, in the time zone of the process. `off` leaves it to GarbageCollect calls.",
  }),
  SESSIOND_SWEEP_JITTER: setting(parsers.duration("0s", "1h"), {
    default: "5m",
    doc: "Each scheduled sweep waits a random time up to this, so that replicas do not start together.",
  }),
  SESSIOND_SWEEP_TIME_LIMIT: setting(parsers.duration("1s", "1h"), {
    default: "1m",
    doc: "A sweep stops after this long; the next one goes on from there.",
  }),
  SESSIOND_SWEEP_BATCH_SIZE: setting(parsers.integer(1, 100_000), {
    default: "1000",
    doc: "The most rows one statement deletes.",
  }),
  SESSIOND_HISTORY_WINDOW: setting(parsers.wholeSeconds("0s", TEN_YEARS), {
    default: "7d",
    doc: "Ended sessions are kept at least this long after they ended, and until this long after their absolute deadline at the most, sweeps permitting. 0s keeps no history beyond that deadline.",
  }),
} satisfies SettingGroup;
