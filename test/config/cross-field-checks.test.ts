import { expect } from "chai";
import { loadConfig } from "../../src/config/config.ts";
import type { Environment } from "../../src/config/env-reader.ts";
import {
  certificatePem,
  databaseUrl,
  expectProblem,
  filesOf,
  keyOf,
  privateKeyPem,
  problemsOf,
} from "./helpers.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const vault = {
  SESSIOND_KEY_ENCRYPTION_PROVIDER: "vault-transit",
  SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS: "https://vault.example.com:8200",
  SESSIOND_KEY_ENCRYPTION_VAULT_KEY: "sessiond",
  SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE: "/token",
};

describe("settings that must fit together", () => {
  const fits: readonly (readonly [
    why: string,
    right: Environment,
    wrong: Environment,
    ...string[],
  ])[] = [
    [
      "idle timeout and absolute timeout",
      { SESSIOND_IDLE_TIMEOUT: "12h" },
      { SESSIOND_IDLE_TIMEOUT: "43201s" },
      "SESSIOND_IDLE_TIMEOUT (43201s) must not be longer than SESSIOND_ABSOLUTE_TIMEOUT (12h, the default)",
    ],
    [
      "idle timeout and its maximum",
      { SESSIOND_MAX_IDLE_TIMEOUT: "30m" },
      { SESSIOND_MAX_IDLE_TIMEOUT: "1799s" },
      "SESSIOND_IDLE_TIMEOUT (30m, the default) must not be longer than SESSIOND_MAX_IDLE_TIMEOUT (1799s)",
    ],
    [
      "the ports of calls and of metrics",
      { SESSIOND_PORT: "9464", SESSIOND_METRICS_PORT: "9465" },
      { SESSIOND_PORT: "9464", SESSIOND_METRICS_PORT: "9464" },
      "SESSIOND_METRICS_PORT and SESSIOND_PORT are both 9464: metrics need a port of their own",
    ],
    [
      "database connections and workers",
      { SESSIOND_WORKERS: "6", SESSIOND_DATABASE_POOL_SIZE: "12" },
      { SESSIOND_WORKERS: "6", SESSIOND_DATABASE_POOL_SIZE: "11" },
      "SESSIOND_DATABASE_POOL_SIZE (11) must be at least twice SESSIOND_WORKERS (6)",
    ],
    [
      "the token's header and its audience",
      {
        SESSIOND_TOKEN_ISSUER: "sessiond",
        SESSIOND_TOKEN_AUDIENCES: "billing,orders",
        SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE: "orders",
        SESSIOND_EXT_AUTHZ_TOKEN_HEADER: "authorization",
      },
      { SESSIOND_EXT_AUTHZ_TOKEN_HEADER: "authorization" },
      "SESSIOND_EXT_AUTHZ_TOKEN_HEADER has no effect without SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE",
    ],
    [
      "the token's audience and those there are",
      {
        SESSIOND_TOKEN_ISSUER: "sessiond",
        SESSIOND_TOKEN_AUDIENCES: "billing,orders",
        SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE: "orders",
      },
      {
        SESSIOND_TOKEN_ISSUER: "sessiond",
        SESSIOND_TOKEN_AUDIENCES: "billing",
        SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE: "orders",
      },
      "SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE (orders) must be one of SESSIOND_TOKEN_AUDIENCES",
    ],
    [
      "the token's header and that of the CSRF token",
      { SESSIOND_EXT_AUTHZ_CSRF_HEADER: "x-csrf" },
      { SESSIOND_EXT_AUTHZ_CSRF_HEADER: "x-session-token" },
      "SESSIOND_EXT_AUTHZ_CSRF_HEADER (x-session-token) must be different names",
    ],
    [
      "absolute timeout and its maximum",
      { SESSIOND_TIMEOUT_PROFILE: "workday", SESSIOND_MAX_ABSOLUTE_TIMEOUT: "8h" },
      { SESSIOND_TIMEOUT_PROFILE: "workday", SESSIOND_MAX_ABSOLUTE_TIMEOUT: "7h" },
      "SESSIOND_ABSOLUTE_TIMEOUT (8h, from the profile) must not be longer than",
      "SESSIOND_MAX_ABSOLUTE_TIMEOUT (7h)",
    ],
    [
      "key retention and maximum absolute timeout",
      { SESSIOND_SIGNING_KEY_RETENTION: "20h", SESSIOND_MAX_ABSOLUTE_TIMEOUT: "20h" },
      { SESSIOND_SIGNING_KEY_RETENTION: "19h", SESSIOND_MAX_ABSOLUTE_TIMEOUT: "20h" },
      "SESSIOND_SIGNING_KEY_RETENTION (19h) must be at least SESSIOND_MAX_ABSOLUTE_TIMEOUT (20h)",
    ],
    [
      "key retention and pre-login timeout",
      { SESSIOND_SIGNING_KEY_RETENTION: "13h", SESSIOND_PRE_LOGIN_TIMEOUT: "13h" },
      { SESSIOND_SIGNING_KEY_RETENTION: "13h", SESSIOND_PRE_LOGIN_TIMEOUT: "14h" },
      "SESSIOND_SIGNING_KEY_RETENTION (13h) must be at least SESSIOND_PRE_LOGIN_TIMEOUT (14h)",
    ],
    [
      "touch interval and idle timeout",
      { SESSIOND_TOUCH_INTERVAL: "1799999ms" },
      { SESSIOND_TOUCH_INTERVAL: "30m" },
      "SESSIOND_TOUCH_INTERVAL (30m) must be shorter than SESSIOND_IDLE_TIMEOUT (30m, the default)",
    ],
    [
      "idle warning and idle timeout",
      { SESSIOND_IDLE_WARNING: "1799s" },
      { SESSIOND_IDLE_WARNING: "30m" },
      "SESSIOND_IDLE_WARNING (30m) must be shorter than SESSIOND_IDLE_TIMEOUT (30m, the default)",
    ],
    [
      "absolute warning and absolute timeout",
      { SESSIOND_ABSOLUTE_WARNING: "43199s" },
      { SESSIOND_ABSOLUTE_WARNING: "12h" },
      "SESSIOND_ABSOLUTE_WARNING (12h) must be shorter than SESSIOND_ABSOLUTE_TIMEOUT (12h, the default)",
    ],
    [
      "SameSite=None and Secure",
      { SESSIOND_COOKIE_SAME_SITE: "none" },
      { SESSIOND_COOKIE_SAME_SITE: "none", SESSIOND_COOKIE_SECURE: "false" },
      "SESSIOND_COOKIE_SAME_SITE (none) needs SESSIOND_COOKIE_SECURE (false) to be true",
    ],
    [
      "names of session and pre-login cookie",
      { SESSIOND_COOKIE_NAME: "Prelogin" },
      { SESSIOND_COOKIE_NAME: "prelogin" },
      "SESSIOND_COOKIE_NAME (prelogin) and SESSIOND_PRE_LOGIN_COOKIE_NAME (prelogin, the default)",
      "must be different names",
    ],
    [
      "names of pre-login and CSRF cookie",
      { SESSIOND_PRE_LOGIN_COOKIE_NAME: "a", SESSIOND_CSRF_COOKIE_NAME: "b" },
      { SESSIOND_PRE_LOGIN_COOKIE_NAME: "a", SESSIOND_CSRF_COOKIE_NAME: "a" },
      "SESSIOND_PRE_LOGIN_COOKIE_NAME (a) and SESSIOND_CSRF_COOKIE_NAME (a)",
    ],
    [
      "certificate without key",
      { SESSIOND_TLS_CERT: certificatePem, SESSIOND_TLS_KEY: privateKeyPem(7) },
      { SESSIOND_TLS_CERT: certificatePem },
      "SESSIOND_TLS_CERT is set without SESSIOND_TLS_KEY: set both",
    ],
    [
      "key without certificate",
      { SESSIOND_TLS_CERT: certificatePem, SESSIOND_TLS_KEY: privateKeyPem(7) },
      { SESSIOND_TLS_KEY: privateKeyPem(7) },
      "SESSIOND_TLS_KEY is set without SESSIOND_TLS_CERT: set both",
    ],
    [
      "certificate and another key",
      { SESSIOND_TLS_CERT: certificatePem, SESSIOND_TLS_KEY: privateKeyPem(7) },
      { SESSIOND_TLS_CERT: certificatePem, SESSIOND_TLS_KEY: privateKeyPem(8) },
      "SESSIOND_TLS_CERT and SESSIOND_TLS_KEY (hidden) do not belong together",
    ],
    [
      "client CA without TLS",
      {
        SESSIOND_TLS_CERT: certificatePem,
        SESSIOND_TLS_KEY: privateKeyPem(7),
        SESSIOND_TLS_CLIENT_CA: certificatePem,
      },
      { SESSIOND_TLS_CLIENT_CA: certificatePem },
      "SESSIOND_TLS_CLIENT_CA is set without SESSIOND_TLS_CERT and SESSIOND_TLS_KEY",
    ],
    [
      "client certificates without their CA",
      {
        SESSIOND_TLS_CERT: certificatePem,
        SESSIOND_TLS_KEY: privateKeyPem(7),
        SESSIOND_TLS_CLIENT_CA: certificatePem,
        SESSIOND_TLS_CLIENT_CERTIFICATE: "required",
      },
      {
        SESSIOND_TLS_CERT: certificatePem,
        SESSIOND_TLS_KEY: privateKeyPem(7),
        SESSIOND_TLS_CLIENT_CERTIFICATE: "required",
      },
      "SESSIOND_TLS_CLIENT_CERTIFICATE is set without SESSIOND_TLS_CLIENT_CA",
    ],
    [
      "database and key-encryption keys",
      { SESSIOND_DATABASE_URL: databaseUrl, SESSIOND_KEY_ENCRYPTION_KEYS: keyOf(1) },
      { SESSIOND_DATABASE_URL: databaseUrl },
      "SESSIOND_DATABASE_URL (hidden) needs SESSIOND_KEY_ENCRYPTION_KEYS",
      "`openssl rand -base64 32`",
      "`node -p \"crypto.randomBytes(32).toString('base64')\"`",
    ],
    [
      "database and Vault",
      { ...vault, SESSIOND_DATABASE_URL: databaseUrl },
      { ...vault, SESSIOND_DATABASE_URL: databaseUrl, SESSIOND_KEY_ENCRYPTION_PROVIDER: "local" },
      "SESSIOND_DATABASE_URL (hidden) needs SESSIOND_KEY_ENCRYPTION_KEYS",
    ],
    [
      "Vault with all that it needs",
      vault,
      { SESSIOND_KEY_ENCRYPTION_PROVIDER: "vault-transit", SESSIOND_KEY_ENCRYPTION_VAULT_KEY: "k" },
      "SESSIOND_KEY_ENCRYPTION_PROVIDER (vault-transit) needs SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS " +
        "and SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE, which is not set",
    ],
    [
      "a Vault that decrypts, with all that it needs",
      { ...vault, SESSIOND_KEY_ENCRYPTION_PROVIDER: "local" },
      { SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE: "/token" },
      "SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE needs SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS and " +
        "SESSIOND_KEY_ENCRYPTION_VAULT_KEY, which is not set",
    ],
    [
      "an issuer of tokens and audiences",
      { SESSIOND_TOKEN_ISSUER: "sessiond", SESSIOND_TOKEN_AUDIENCES: "orders" },
      { SESSIOND_TOKEN_ISSUER: "sessiond" },
      "SESSIOND_TOKEN_ISSUER needs SESSIOND_TOKEN_AUDIENCES, which is not set",
    ],
    [
      "an issuer of tokens and one audience at least",
      { SESSIOND_TOKEN_ISSUER: "sessiond", SESSIOND_TOKEN_AUDIENCES: "orders" },
      { SESSIOND_TOKEN_ISSUER: "sessiond", SESSIOND_TOKEN_AUDIENCES: "" },
      "SESSIOND_TOKEN_ISSUER needs SESSIOND_TOKEN_AUDIENCES, which is not set",
    ],
    ...[
      ["SESSIOND_TOKEN_AUDIENCES", "orders"] as const,
      ["SESSIOND_TOKEN_ALGORITHM", "EdDSA"] as const,
      ["SESSIOND_TOKEN_LIFETIME", "10s"] as const,
      ["SESSIOND_TOKEN_KEY_PUBLISH_DELAY", "1h"] as const,
    ].map(
      ([name, value]) =>
        [
          `${name} and an issuer`,
          {
            SESSIOND_TOKEN_ISSUER: "sessiond",
            SESSIOND_TOKEN_AUDIENCES: "billing",
            [name]: value,
          },
          { [name]: value },
          `${name} has no effect without SESSIOND_TOKEN_ISSUER, which is not set`,
        ] as const,
    ),
  ];
  for (const [why, right, wrong, ...says] of fits) {
    it(why, () => {
      expect(problemsOf(right)).to.deep.equal([]);
      expectProblem(wrong, ...says);
    });
  }

  it("derives the other timeouts from one, so that setting one suffices", () => {
    const { timeouts } = loadConfig({
      SESSIOND_IDLE_TIMEOUT: "5s",
      SESSIOND_ABSOLUTE_TIMEOUT: "9s",
    });
    expect(timeouts).to.deep.equal({
      idleMs: 5000,
      absoluteMs: 9000,
      maxIdleMs: 5000,
      maxAbsoluteMs: 9000,
      preLoginMs: 10 * MINUTE,
      maxRotationGraceMs: 30_000,
      touchIntervalMs: 83,
      idleWarningMs: 2000,
      absoluteWarningMs: 4000,
      keyRetentionMs: HOUR + 10 * MINUTE,
    });
    expect(problemsOf({ SESSIOND_IDLE_TIMEOUT: "1s" })).to.deep.equal([]);
    const longest = loadConfig({ SESSIOND_ABSOLUTE_TIMEOUT: "400d" });
    expect(longest.timeouts.keyRetentionMs).to.equal(400 * DAY + HOUR);
  });
});

describe("timeout profiles", () => {
  const profiles: readonly (readonly [name: string, idleMs: number, absoluteMs: number])[] = [
    ["nist-aal1", 30 * DAY, 30 * DAY],
    ["nist-aal2", HOUR, DAY],
    ["nist-aal3", 15 * MINUTE, 12 * HOUR],
    ["workday", 4 * HOUR, 8 * HOUR],
    ["remember-me", 14 * DAY, 90 * DAY],
  ];
  for (const [name, idleMs, absoluteMs] of profiles) {
    it(`${name} sets the pair and all that follows from it`, () => {
      const { timeouts } = loadConfig({ SESSIOND_TIMEOUT_PROFILE: name });
      expect(timeouts).to.include({ idleMs, absoluteMs, maxIdleMs: idleMs });
      expect(timeouts.maxAbsoluteMs).to.equal(absoluteMs);
      expect(timeouts.keyRetentionMs).to.equal(absoluteMs + HOUR);
    });
  }

  it("B11: 30 min / 12 h without a variable, 4 h / 8 h with one", () => {
    const { timeouts: standard } = loadConfig({});
    expect([standard.idleMs, standard.absoluteMs]).to.deep.equal([30 * MINUTE, 12 * HOUR]);
    const { timeouts: workday } = loadConfig({ SESSIOND_TIMEOUT_PROFILE: "workday" });
    expect([workday.idleMs, workday.absoluteMs]).to.deep.equal([4 * HOUR, 8 * HOUR]);
  });

  it("gives way to explicit timeouts", () => {
    const env = { SESSIOND_TIMEOUT_PROFILE: "nist-aal2", SESSIOND_IDLE_TIMEOUT: "10m" };
    expect(loadConfig(env).timeouts).to.include({ idleMs: 10 * MINUTE, absoluteMs: DAY });
  });

  it("names the profiles there are", () => {
    expectProblem(
      { SESSIOND_TIMEOUT_PROFILE: "aal2" },
      'SESSIOND_TIMEOUT_PROFILE is "aal2"',
      "one of nist-aal1, nist-aal2, nist-aal3, workday, remember-me",
    );
  });
});

describe("settings from files", () => {
  it("takes secrets and certificates from files, less one newline at the end", () => {
    const files = {
      "/url": `${databaseUrl}\n`,
      "/keys": `${keyOf(1)},${keyOf(2)}\r\n`,
      "/cert": `${certificatePem}\n`,
      "/key": privateKeyPem(7).trimEnd(),
      "/ca": `${certificatePem}${certificatePem}\n`,
    };
    const env = {
      SESSIOND_DATABASE_URL_FILE: "/url",
      SESSIOND_KEY_ENCRYPTION_KEYS_FILE: "/keys",
      SESSIOND_TLS_CERT_FILE: "/cert",
      SESSIOND_TLS_KEY_FILE: "/key",
      SESSIOND_TLS_CLIENT_CA_FILE: "/ca",
    };
    const { database, keyEncryption, server } = loadConfig(env, filesOf(files));
    expect(database.url).to.equal(databaseUrl);
    expect(keyEncryption.localKeys).to.have.length(2);
    expect(server.tls).to.deep.equal({
      certificate: certificatePem,
      key: privateKeyPem(7).trimEnd(),
      clientCa: certificatePem + certificatePem,
      clientCertificate: "optional",
      files: {
        certificate: { path: "/cert", content: files["/cert"] },
        key: { path: "/key", content: files["/key"] },
        clientCa: { path: "/ca", content: files["/ca"] },
      },
    });
  });

  const variable = "SESSIOND_KEY_ENCRYPTION_KEYS_FILE";
  const refusals: readonly (readonly [
    string,
    Environment,
    Readonly<Record<string, string>>,
    string,
  ])[] = [
    [
      "a missing file",
      { [variable]: "/gone" },
      {},
      `${variable} is "/gone", which cannot be read (ENOENT)`,
    ],
    ["an empty path", { [variable]: "" }, {}, `${variable} is empty`],
    [
      "an empty file",
      { [variable]: "/keys" },
      { "/keys": "\n" },
      `the file "/keys" of ${variable} is empty`,
    ],
    [
      "wrong content",
      { [variable]: "/keys" },
      { "/keys": `${keyOf(1)},canary` },
      `the content (hidden) of the file "/keys" of ${variable}: key 2 of the list must be`,
    ],
    [
      "the variable and the file",
      { [variable]: "/keys", SESSIOND_KEY_ENCRYPTION_KEYS: keyOf(1) },
      { "/keys": keyOf(1) },
      `SESSIOND_KEY_ENCRYPTION_KEYS and ${variable} are both set: set one of them`,
    ],
    [
      "the secret in place of the path",
      { [variable]: keyOf(1) },
      {},
      `${variable} holds what looks like the value itself, which belongs in SESSIOND_KEY_ENCRYPTION_KEYS`,
    ],
    [
      "a file for a plain setting",
      { SESSIOND_PORT_FILE: "/port" },
      { "/port": "1" },
      "SESSIOND_PORT_FILE (hidden) is not a setting: only secrets and certificates can come from a file",
    ],
  ];
  for (const [what, env, files, says] of refusals) {
    it(`refuses ${what}`, () => {
      const problems = problemsOf(env, files);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.include(says);
      expect(problems[0]).to.not.include(keyOf(1));
      expect(problems[0]).to.not.include("canary");
    });
  }

  it("refuses an empty secret, which would start sessiond on an empty database", () => {
    expectProblem(
      { SESSIOND_DATABASE_URL: "" },
      "SESSIOND_DATABASE_URL is empty: give it its value",
    );
  });
});
