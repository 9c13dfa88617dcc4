import type { Config } from "./config.ts";
import type { Reading } from "./env-reader.ts";
import { howToMakeKey, isKeyOfCertificate } from "./parsers.ts";
import type { SettingName } from "./settings.ts";

/** What no setting shows by itself: those that must fit one another. */
export function checkTogether(reading: Reading, config: Config): void {
  checkTls(reading, config);
  checkDatabase(reading, config);
  checkTimeouts(reading, config);
  checkCookies(reading, config);
}

function checkTls(reading: Reading, { server }: Config): void {
  const [cert, key] = ["SESSIOND_TLS_CERT", "SESSIOND_TLS_KEY"] as const;
  if (reading.isGiven(cert) !== reading.isGiven(key)) {
    const [there, missing] = reading.isGiven(cert) ? [cert, key] : [key, cert];
    reading.problems.push(
      `${there} is set without ${missing}: set both for TLS (each also as a file, ` +
        `${missing}_FILE), or neither for plain HTTP`,
    );
  }
  const { tls } = server;
  if (tls === undefined) return;
  reading.check(
    [cert, key],
    () => isKeyOfCertificate(tls.certificate, tls.key),
    () => `${cert} and ${key} (hidden) do not belong together: the key must be the certificate's`,
  );
}

function checkDatabase(reading: Reading, { database, keyEncryptionKeys }: Config): void {
  const [url, keys] = ["SESSIOND_DATABASE_URL", "SESSIOND_KEY_ENCRYPTION_KEYS"] as const;
  // Only a data directory of sessiond's own can keep a key for it.
  reading.check(
    [url, keys],
    () => database.url === undefined || keyEncryptionKeys.length > 0,
    () =>
      `${url} (hidden) needs ${keys}, which is not set: signing keys are stored encrypted; ` +
      `${howToMakeKey}, and give every replica the same`,
  );
}

function checkTimeouts(reading: Reading, { timeouts }: Config): void {
  const atMost = (small: SettingName, smallMs: number, large: SettingName, largeMs: number) =>
    reading.check(
      [small, large],
      () => smallMs <= largeMs,
      () => `${reading.name(small)} must not be longer than ${reading.name(large)}`,
    );
  const below = (small: SettingName, smallMs: number, large: SettingName, largeMs: number) =>
    reading.check(
      [small, large],
      () => smallMs < largeMs,
      () => `${reading.name(small)} must be shorter than ${reading.name(large)}`,
    );

  const [idle, absolute] = ["SESSIOND_IDLE_TIMEOUT", "SESSIOND_ABSOLUTE_TIMEOUT"] as const;
  const { idleMs, absoluteMs, maxAbsoluteMs, keyRetentionMs } = timeouts;
  atMost(idle, idleMs, absolute, absoluteMs);
  atMost(idle, idleMs, "SESSIOND_MAX_IDLE_TIMEOUT", timeouts.maxIdleMs);
  atMost(absolute, absoluteMs, "SESSIOND_MAX_ABSOLUTE_TIMEOUT", maxAbsoluteMs);
  below("SESSIOND_TOUCH_INTERVAL", timeouts.touchIntervalMs, idle, idleMs);
  below("SESSIOND_IDLE_WARNING", timeouts.idleWarningMs, idle, idleMs);
  below("SESSIOND_ABSOLUTE_WARNING", timeouts.absoluteWarningMs, absolute, absoluteMs);

  const outlives = (name: SettingName, ms: number) =>
    reading.check(
      ["SESSIOND_SIGNING_KEY_RETENTION", name],
      () => keyRetentionMs >= ms,
      () =>
        `${reading.name("SESSIOND_SIGNING_KEY_RETENTION")} must be at least ` +
        `${reading.name(name)}: otherwise a rotation would end sessions`,
    );
  outlives("SESSIOND_MAX_ABSOLUTE_TIMEOUT", maxAbsoluteMs);
  outlives("SESSIOND_PRE_LOGIN_TIMEOUT", timeouts.preLoginMs);
}

function checkCookies(reading: Reading, { cookies }: Config): void {
  reading.check(
    ["SESSIOND_COOKIE_SAME_SITE", "SESSIOND_COOKIE_SECURE"],
    () => cookies.sameSite !== "none" || cookies.secure,
    () =>
      "SESSIOND_COOKIE_SAME_SITE (none) needs SESSIOND_COOKIE_SECURE (false) to be true: " +
      "browsers drop such cookies otherwise",
  );

  const names = [
    ["SESSIOND_COOKIE_NAME", cookies.sessionName],
    ["SESSIOND_PRE_LOGIN_COOKIE_NAME", cookies.preLoginName],
    ["SESSIOND_CSRF_COOKIE_NAME", cookies.csrfName],
  ] as const;
  for (const [index, [variable, name]] of names.entries()) {
    for (const [other, otherName] of names.slice(index + 1)) {
      reading.check(
        [variable, other],
        () => name !== otherName,
        () => `${reading.name(variable)} and ${reading.name(other)} must be different names`,
      );
    }
  }
}
