import { availableParallelism } from "node:os";
import { expect } from "chai";
import { type Config, loadConfig } from "../../src/config/config.ts";
import { formatDuration } from "../../src/config/quantities.ts";
import type { SettingName } from "../../src/config/settings.ts";
import { createAuthority } from "../support/certificate-authority.ts";
import {
  certificatePem,
  databaseUrl,
  expectProblem,
  keyOf,
  privateKeyPem,
  problemsOf,
} from "./helpers.ts";

interface Case {
  readonly kind: string;
  readonly name: SettingName;
  /** What must be in force beside, for the good values. */
  readonly beside?: Readonly<Record<string, string>>;
  readonly read: (config: Config) => unknown;
  readonly good: readonly (readonly [text: string, value: unknown])[];
  readonly bad: readonly string[];
  readonly remedy: string;
}

const intermediate = createAuthority().intermediate("intermediate").certificate;
const twoAuthorities = `# first\n${certificatePem}# second\n${intermediate}`;

const cases: readonly Case[] = [
  {
    kind: "a duration",
    name: "SESSIOND_MAX_DEADLINE",
    read: (config) => config.server.limits.maxDeadlineMs,
    good: [
      ["100ms", 100],
      ["30s", 30_000],
      ["10m", 600_000],
      ["600000ms", 600_000],
    ],
    bad: ["99ms", "600001ms", "11m", "0", "30", "-1s", "1.5s", "1e3ms", "30S", "30 s", " 30s", "s"],
    remedy: "a duration from 100ms to 10m, such as 500ms, 30s",
  },
  {
    kind: "a duration with zero",
    name: "SESSIOND_DRAIN_DELAY",
    read: (config) => config.server.drainDelayMs,
    good: [
      ["0", 0],
      ["0s", 0],
      ["0d", 0],
      ["1ms", 1],
    ],
    bad: ["1", "1constructor", "999999999999999999s", "5m1s"],
    remedy: "a duration from 0s to 5m",
  },
  {
    kind: "a duration of sessions",
    name: "SESSIOND_PRE_LOGIN_TIMEOUT",
    read: (config) => config.timeouts.preLoginMs,
    good: [
      ["1s", 1000],
      ["2000ms", 2000],
      ["24h", 86_400_000],
      ["1d", 86_400_000],
    ],
    bad: ["0s", "999ms", "1500ms", "86401s", "2d"],
    remedy: "a duration in whole seconds from 1s to 1d",
  },
  {
    kind: "the longest duration of sessions",
    name: "SESSIOND_ABSOLUTE_TIMEOUT",
    read: (config) => config.timeouts.absoluteMs,
    good: [["400d", 34_560_000_000]],
    bad: ["401d", "34560001s"],
    remedy: "from 1s to 400d",
  },
  {
    kind: "the name of a header",
    name: "SESSIOND_EXT_AUTHZ_CSRF_HEADER",
    read: (config) => config.extAuthz.csrfHeader,
    good: [
      ["x-csrf-token", "x-csrf-token"],
      ["authorization", "authorization"],
    ],
    bad: [
      "X-CSRF-Token",
      "x_csrf",
      "x csrf",
      "-x",
      "cookie",
      "host",
      "x-session-id",
      "te",
      ":path",
    ],
    remedy: "the name of a header in lower case: letters, digits and hyphens",
  },
  {
    kind: "a login URL",
    name: "SESSIOND_EXT_AUTHZ_LOGIN_URL",
    read: (config) => config.extAuthz.loginUrl,
    good: [
      ["/login", "/login"],
      ["/login?next={path}", "/login?next={path}"],
      ["https://login.test/?return_to={url}", "https://login.test/?return_to={url}"],
      ["http://[::1]:3000/login", "http://[::1]:3000/login"],
    ],
    bad: [
      "login",
      "//login.test/",
      "/\\login.test",
      "http://login.test/",
      "https://user@login.test/",
      "https://{url}/",
      "https://login.test{path}",
      "/login?next={host}",
      "/log in",
      "javascript:alert(1)",
      `/${"a".repeat(1024)}`,
    ],
    remedy: "an https:// URL, or a path that begins with one slash",
  },
  {
    kind: "a history window",
    name: "SESSIOND_HISTORY_WINDOW",
    read: (config) => config.sweep.historyMs,
    good: [["0s", 0]],
    bad: ["-1s", "3651d"],
    remedy: "from 0s to 3650d",
  },
  {
    kind: "a size",
    name: "SESSIOND_MAX_MESSAGE_BYTES",
    read: (config) => config.server.limits.maxMessageBytes,
    good: [
      ["8192B", 8192],
      ["8KiB", 8192],
      ["4MiB", 4_194_304],
    ],
    bad: ["8191B", "4194305B", "64", "64KB", "64kib", "1GiB", "0.5MiB", "64s"],
    remedy: "a size from 8KiB to 4MiB, such as 65536B, 64KiB",
  },
  {
    kind: "a whole number",
    name: "SESSIOND_DATABASE_POOL_SIZE",
    read: (config) => config.database.poolSize,
    good: [
      ["2", 2],
      ["1000", 1000],
    ],
    bad: ["0", "1", "1001", "-1", "+1", "1.0", "1e2", "0x10", "ten", "1_0", "9".repeat(40)],
    remedy: "a whole number from 2 to 1000",
  },
  {
    kind: "a number of workers",
    name: "SESSIOND_WORKERS",
    read: (config) => config.workers,
    good: [
      ["1", 1],
      ["64", 64],
      ["auto", Math.min(availableParallelism(), 64)],
    ],
    bad: ["0", "65", "-1", "1.5", "two", "AUTO", "autos"],
    remedy: "auto, or a whole number from 1 to 64",
  },
  {
    kind: "a rate of calls",
    name: "SESSIOND_RATE_PER_CALLER",
    read: (config) => config.admission.ratePerCaller,
    good: [
      ["off", undefined],
      ["500", { perSecond: 500, burst: 500 }],
      ["1,9999999", { perSecond: 1, burst: 9_999_999 }],
    ],
    bad: ["0", "5,0", "-1", "1.5", "500/s", "500, 2000", "1,2,3", "10000000"],
    remedy: "off, or calls per second and the size of a burst, each from 1 to 9999999",
  },
  {
    kind: "a port",
    name: "SESSIOND_PORT",
    read: (config) => config.server.port,
    good: [
      ["0", 0],
      ["65535", 65_535],
    ],
    bad: ["65536", "-1", "http", ":8480"],
    remedy: "a whole number from 0 to 65535",
  },
  {
    kind: "a boolean",
    name: "SESSIOND_BIND_IP",
    read: (config) => config.bindings.ip,
    good: [
      ["true", true],
      ["false", false],
    ],
    bad: ["1", "yes", "TRUE", "on", " true"],
    remedy: "true or false",
  },
  {
    kind: "a choice",
    name: "SESSIOND_LOG_LEVEL",
    read: (config) => config.log.level,
    good: ["trace", "debug", "info", "warn", "error", "fatal", "silent"].map(
      (l) => [l, l] as const,
    ),
    bad: ["warning", "INFO", "toString"],
    remedy: "one of trace, debug, info, warn, error, fatal, silent",
  },
  {
    kind: "a host",
    name: "SESSIOND_HOST",
    beside: { SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: "true" },
    read: (config) => config.server.host,
    good: ["0.0.0.0", "::", "::1", "fe80::1", "localhost", "db-1.example.com"].map(
      (h) => [h, h] as const,
    ),
    bad: [
      "[::1]",
      "localhost:8480",
      "10.0.0.256",
      "http://a",
      "a b",
      "-a",
      "a..b",
      "a.".repeat(127),
    ],
    remedy: "an IP address or host name without port or brackets",
  },
  {
    kind: "a path",
    name: "SESSIOND_DATA_DIR",
    read: (config) => config.database.dataDirectory,
    good: [["./data dir", "./data dir"]],
    bad: ["/data\0"],
    remedy: "a path",
  },
  {
    kind: "a cookie name",
    name: "SESSIOND_COOKIE_NAME",
    read: (config) => config.cookies.sessionName,
    good: ["a", "!#$%&'*+-.^_`|~09AZaz", "n".repeat(256)].map((n) => [n, n] as const),
    bad: [
      "a b",
      "a=b",
      "a;b",
      "a,b",
      'a"',
      "é",
      "n".repeat(257),
      "__Host-a",
      "__secure-a",
      "__HOST-a",
    ],
    remedy: "a cookie name without prefix (sessiond adds __Host- or leaves it): 1 to 256 letters",
  },
  {
    kind: "a cron expression",
    name: "SESSIOND_SWEEP_SCHEDULE",
    read: (config) => config.sweep.schedule,
    good: [
      ["*/5 * * * *", "*/5 * * * *"],
      ["30 0 3 * * 1", "30 0 3 * * 1"],
      ["off", undefined],
    ],
    bad: ["hourly", "* * *", "61 * * * *", "OFF", "* * * * * * *"],
    remedy: 'a cron expression or off, such as "0 * * * *"',
  },
  {
    kind: "a database URL",
    name: "SESSIOND_DATABASE_URL",
    beside: { SESSIOND_KEY_ENCRYPTION_KEYS: keyOf(1) },
    read: (config) => config.database.url,
    good: [databaseUrl, "postgresql://db/x", "postgres:///x?host=/run"].map((u) => [u, u] as const),
    bad: [
      "mysql://canary@db/x",
      "db.canary:5432",
      "postgres://u:canary#word@db/x",
      "postgres//canary",
    ],
    remedy:
      "a postgres:// or postgresql:// URL, such as postgres://user:password@host:5432/database",
  },
  {
    kind: "the issuer of tokens",
    name: "SESSIOND_TOKEN_ISSUER",
    beside: { SESSIOND_TOKEN_AUDIENCES: "orders" },
    read: (config) => config.tokens?.issuer,
    good: [
      ["https://sessiond.example.com", "https://sessiond.example.com"],
      ["https://example.com/sessions", "https://example.com/sessions"],
      ["sessiond", "sessiond"],
      ["i".repeat(256), "i".repeat(256)],
    ],
    bad: [
      "http://sessiond.example.com",
      "https://user@example.com",
      "https://example.com/?a",
      "https://example.com/#a",
      "https://",
      "two words",
      "i".repeat(257),
    ],
    remedy:
      "an https:// URL, or other text without spaces, of at most 256 characters, such as https://sess",
  },
  {
    kind: "a list of audiences",
    name: "SESSIOND_TOKEN_AUDIENCES",
    beside: { SESSIOND_TOKEN_ISSUER: "sessiond" },
    read: (config) => config.tokens?.audiences,
    good: [
      ["orders", ["orders"]],
      ["https://a.example.com, b ,c", ["https://a.example.com", "b", "c"]],
    ],
    bad: ["a,,b", "a,a", "two words", "a,", "a".repeat(257)],
    remedy:
      "a list of names without spaces, of at most 256 characters each, each once, such as orders",
  },
  {
    kind: "a list of keys",
    name: "SESSIOND_KEY_ENCRYPTION_KEYS",
    read: (config) => config.keyEncryption.localKeys.map((key) => key[0]),
    good: [
      [keyOf(1), [1]],
      [`${keyOf(2)},${keyOf(1)}`, [2, 1]],
      [` ${keyOf(1)} , ${keyOf(2)} `, [1, 2]],
    ],
    bad: [
      Buffer.alloc(31, 1).toString("base64"),
      Buffer.alloc(33, 1).toString("base64"),
      keyOf(1).replace("=", ""),
      Buffer.alloc(32, 255).toString("base64url"),
      `${keyOf(1)}!`,
      "canary",
    ],
    remedy:
      "key 1 of the list must be the base64 of 32 bytes; make one with `openssl rand -base64 32`",
  },
  {
    kind: "the address of a Vault",
    name: "SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS",
    beside: {
      SESSIOND_KEY_ENCRYPTION_VAULT_KEY: "sessiond",
      SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE: "/token",
    },
    read: (config) => config.keyEncryption.vault?.address,
    good: [
      "https://vault.example.com:8200",
      "https://10.0.0.1/",
      "http://127.0.0.1:8100",
      "http://localhost:8100",
      "http://[::1]:8100",
      "http://[::ffff:7f00:1]:8100",
    ].map((address) => [address, address] as const),
    bad: [
      "http://vault.example.com:8200",
      "http://localhost.example.com",
      "https://user:secret@vault",
      "https://vault/v1",
      "vault:8200",
    ],
    remedy: "an https:// URL without path, or http:// with a loopback address",
  },
  {
    kind: "the path of a secrets engine",
    name: "SESSIOND_KEY_ENCRYPTION_VAULT_MOUNT",
    beside: {
      SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS: "https://vault",
      SESSIOND_KEY_ENCRYPTION_VAULT_KEY: "sessiond",
      SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE: "/token",
    },
    read: (config) => config.keyEncryption.vault?.mount,
    good: [
      ["transit", "transit"],
      ["teams/login.v2/transit", "teams/login.v2/transit"],
    ],
    bad: ["/transit", "transit/", "a//b", "../sys", "a?b", "a b"],
    remedy: "a path without a slash at its ends",
  },
  {
    kind: "a certificate",
    name: "SESSIOND_TLS_CERT",
    beside: { SESSIOND_TLS_KEY: privateKeyPem(7) },
    read: (config) => config.server.tls?.certificate,
    good: [[certificatePem, certificatePem]],
    // Cut; a form that OpenSSL reads, but not what reads its expiry.
    bad: [
      "canary",
      certificatePem.slice(0, 200),
      certificatePem.replaceAll(" CERTIFICATE-", " X509 CERTIFICATE-"),
    ],
    remedy: "a certificate in PEM form (-----BEGIN CERTIFICATE-----)",
  },
  {
    kind: "a private key",
    name: "SESSIOND_TLS_KEY",
    beside: { SESSIOND_TLS_CERT: certificatePem },
    read: (config) => config.server.tls?.key,
    good: [[privateKeyPem(7), privateKeyPem(7)]],
    bad: ["canary", privateKeyPem(7).slice(0, 60), certificatePem],
    remedy: "a private key in PEM form without a passphrase",
  },
  {
    kind: "certificates of authorities",
    name: "SESSIOND_TLS_CLIENT_CA",
    beside: { SESSIOND_TLS_CERT: certificatePem, SESSIOND_TLS_KEY: privateKeyPem(7) },
    read: (config) => config.server.tls?.clientCa,
    good: [
      [certificatePem, certificatePem],
      [twoAuthorities, twoAuthorities],
    ],
    // Cut in the second certificate; without a root.
    bad: ["canary", certificatePem + certificatePem.slice(0, 200), intermediate],
    remedy: "certificates of authorities in PEM form, roots included",
  },
];

const secret: readonly SettingName[] = [
  "SESSIOND_DATABASE_URL",
  "SESSIOND_KEY_ENCRYPTION_KEYS",
  "SESSIOND_TLS_KEY",
  "SESSIOND_TLS_CERT",
  "SESSIOND_TLS_CLIENT_CA",
];

describe("values of settings", () => {
  for (const { kind, name, beside = {}, read, good, bad, remedy } of cases) {
    describe(`${kind} (${name})`, () => {
      for (const [text, value] of good) {
        it(`accepts ${JSON.stringify(text.slice(0, 30))}`, () => {
          expect(read(loadConfig({ ...beside, [name]: text }))).to.deep.equal(value);
        });
      }
      for (const text of bad) {
        it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
          const env = { ...beside, [name]: text };
          if (!secret.includes(name) && !text.includes("@")) {
            const shown = text.length > 100 ? text.slice(0, 100) : text;
            expectProblem(
              env,
              `${name} is ${JSON.stringify(shown).slice(0, -1)}`,
              `: it must be`,
              remedy,
            );
            return;
          }
          expectProblem(env, `${name} (hidden)`, remedy);
          expect(problemsOf(env).join()).to.not.include(text);
          expect(problemsOf(env).join()).to.not.include("canary");
        });
      }
    });
  }

  it("names the wrong one of several keys, and refuses duplicates", () => {
    const env = (list: string) => ({ SESSIOND_KEY_ENCRYPTION_KEYS: list });
    expectProblem(env(`${keyOf(1)},`), "key 2 of the list must be");
    expectProblem(env(`${keyOf(1)},${keyOf(2)},${keyOf(1)}`), "key 3 of the list is there twice");
  });

  it("writes durations in the largest unit that fits", () => {
    const written = [0, 1, 1000, 1001, 90_000, 5_400_000, 46_800_000, 86_400_000].map(
      formatDuration,
    );
    expect(written).to.deep.equal(["0s", "1ms", "1s", "1001ms", "90s", "90m", "13h", "1d"]);
  });
});
