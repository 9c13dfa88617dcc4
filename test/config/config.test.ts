import { expect } from "chai";
import {
  type Config,
  ConfigError,
  defaultDataDirectory,
  loadConfig,
} from "../../src/config/config.ts";
import { describeConfig, formatConfig } from "../../src/config/print-config.ts";
import { type SettingName, settingNames } from "../../src/config/settings.ts";
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

describe("configuration", () => {
  it("needs no variable, and has the documented defaults", () => {
    const expected: Config = {
      workers: 1,
      server: {
        host: "127.0.0.1",
        port: 8480,
        exposure: "protected",
        tls: undefined,
        limits: {
          maxMessageBytes: 65_536,
          maxDeadlineMs: 30_000,
          maxConcurrentStreams: 1000,
          maxHeaderBytes: 16_384,
          maxConnections: 10_000,
          maxConnectionsPerPeer: 2500,
          maxStreams: 1000,
          maxStreamsPerPeer: 250,
          maxStreamsPerConnection: 100,
          maxStreamAgeMs: 30 * MINUTE,
          idleConnectionTimeoutMs: 5 * MINUTE,
        },
        origins: { allowedHosts: ["localhost"], allowedOrigins: [] },
        shutdownGraceMs: 10_000,
        drainDelayMs: 0,
        readinessTimeoutMs: 10_000,
      },
      metrics: undefined,
      callers: undefined,
      reflection: "authenticated",
      extAuthz: {
        touch: true,
        csrfHeader: "x-csrf-token",
        loginUrl: undefined,
        trustedHops: 0,
        token: undefined,
      },
      admission: { maxCallsPerCaller: 10_000, ratePerCaller: undefined },
      database: {
        url: undefined,
        dataDirectory: "/data/sessiond",
        poolSize: 10,
        queueLimit: 10_000,
        queueTimeoutMs: 2000,
        connectTimeoutMs: 3000,
        startTimeoutMs: 30_000,
        statementTimeoutMs: 10_000,
        preparedStatements: true,
      },
      keyEncryption: { provider: "local", localKeys: [], vault: undefined },
      tokens: undefined,
      timeouts: {
        idleMs: 30 * MINUTE,
        absoluteMs: 12 * HOUR,
        maxIdleMs: 30 * MINUTE,
        maxAbsoluteMs: 12 * HOUR,
        preLoginMs: 10 * MINUTE,
        touchIntervalMs: 30_000,
        idleWarningMs: 5 * MINUTE,
        absoluteWarningMs: 30 * MINUTE,
        keyRetentionMs: 13 * HOUR,
        maxRotationGraceMs: 30_000,
      },
      cookies: {
        secure: true,
        sameSite: "lax",
        sessionName: "session",
        preLoginName: "prelogin",
        csrfName: "csrf",
      },
      bindings: { ip: false, userAgent: false },
      sessionLimit: { maxPerActor: 0, policy: "evict_oldest" },
      tenants: { required: false },
      sweep: {
        historyMs: 7 * DAY,
        auditRetentionMs: 90 * DAY,
        timeLimitMs: MINUTE,
        batchSize: 1000,
        schedule: "0 * * * *",
        jitterMs: 5 * MINUTE,
      },
      uniformErrors: false,
      audit: { denials: true, queueLimit: 10_000 },
      log: { level: "info", format: "auto", validateSample: 100 },
    };
    const env = { SESSIOND_DATA_DIR: "/data/sessiond" };
    expect(loadConfig(env, filesOf({}))).to.deep.equal(expected);
  });

  it("A27: sets every knob by the environment", () => {
    const given: Record<SettingName, string> = {
      SESSIOND_HOST: "::",
      SESSIOND_PORT: "0",
      SESSIOND_METRICS_PORT: "9464",
      SESSIOND_METRICS_HOST: "127.0.0.9",
      SESSIOND_WORKERS: "3",
      SESSIOND_TLS_CERT: certificatePem,
      SESSIOND_TLS_KEY: privateKeyPem(7),
      SESSIOND_TLS_CLIENT_CA: certificatePem,
      SESSIOND_TLS_CLIENT_CERTIFICATE: "required",
      SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: "false",
      SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS: "true",
      SESSIOND_ALLOWED_HOSTS: "sessiond.default.svc, sessiond",
      SESSIOND_ALLOWED_ORIGINS: "https://app.example.com",
      SESSIOND_CALLERS_FILE: "callers.jsonl",
      SESSIOND_JWT_JWKS: "https://issuer.test/keys",
      SESSIOND_JWT_ISSUER: "https://issuer.test",
      SESSIOND_JWT_AUDIENCE: "sessiond",
      SESSIOND_JWT_ALGORITHMS: "PS256, EdDSA",
      SESSIOND_REFLECTION: "off",
      SESSIOND_EXT_AUTHZ_TOUCH: "false",
      SESSIOND_EXT_AUTHZ_CSRF_HEADER: "x-xsrf-token",
      SESSIOND_EXT_AUTHZ_LOGIN_URL: "/login?next={path}",
      SESSIOND_EXT_AUTHZ_TRUSTED_HOPS: "2",
      SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE: "orders",
      SESSIOND_EXT_AUTHZ_TOKEN_HEADER: "authorization",
      SESSIOND_MAX_MESSAGE_BYTES: "1MiB",
      SESSIOND_MAX_DEADLINE: "5s",
      SESSIOND_MAX_CONCURRENT_STREAMS: "11",
      SESSIOND_MAX_HEADER_BYTES: "32KiB",
      SESSIOND_MAX_CONNECTIONS: "12",
      SESSIOND_MAX_CONNECTIONS_PER_PEER: "13",
      SESSIOND_MAX_STREAMS: "14",
      SESSIOND_MAX_STREAMS_PER_PEER: "20",
      SESSIOND_MAX_STREAMS_PER_CONNECTION: "15",
      SESSIOND_MAX_STREAM_AGE: "16s",
      SESSIOND_MAX_CALLS_PER_CALLER: "123",
      SESSIOND_RATE_PER_CALLER: "500,2000",
      SESSIOND_IDLE_CONNECTION_TIMEOUT: "6m",
      SESSIOND_SHUTDOWN_GRACE: "7s",
      SESSIOND_DRAIN_DELAY: "8s",
      SESSIOND_READINESS_TIMEOUT: "8500ms",
      SESSIOND_DATABASE_URL: databaseUrl,
      SESSIOND_DATA_DIR: "somewhere/else",
      SESSIOND_DATABASE_POOL_SIZE: "13",
      SESSIOND_DATABASE_QUEUE_LIMIT: "14",
      SESSIOND_DATABASE_QUEUE_TIMEOUT: "15ms",
      SESSIOND_DATABASE_CONNECT_TIMEOUT: "160ms",
      SESSIOND_DATABASE_START_TIMEOUT: "165ms",
      SESSIOND_DATABASE_STATEMENT_TIMEOUT: "170ms",
      SESSIOND_DATABASE_PREPARED_STATEMENTS: "false",
      SESSIOND_KEY_ENCRYPTION_PROVIDER: "vault-transit",
      SESSIOND_KEY_ENCRYPTION_KEYS: `${keyOf(1)}, ${keyOf(2)}`,
      SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS: "https://vault.example.com:8200",
      SESSIOND_KEY_ENCRYPTION_VAULT_KEY: "sessiond",
      SESSIOND_KEY_ENCRYPTION_VAULT_MOUNT: "teams/transit",
      SESSIOND_KEY_ENCRYPTION_VAULT_NAMESPACE: "admin/login",
      SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE: "/run/vault-token",
      SESSIOND_KEY_ENCRYPTION_VAULT_CA: certificatePem,
      SESSIOND_KEY_ENCRYPTION_VAULT_TIMEOUT: "175ms",
      SESSIOND_KEY_ENCRYPTION_VAULT_START_TIMEOUT: "176ms",
      SESSIOND_SIGNING_KEY_RETENTION: "30d",
      SESSIOND_TOKEN_ISSUER: "https://sessiond.example.com",
      SESSIOND_TOKEN_AUDIENCES: "orders, billing",
      SESSIOND_TOKEN_ALGORITHM: "EdDSA",
      SESSIOND_TOKEN_LIFETIME: "2m",
      SESSIOND_TOKEN_KEY_PUBLISH_DELAY: "1h",
      SESSIOND_LOG_LEVEL: "trace",
      SESSIOND_LOG_FORMAT: "pretty",
      SESSIOND_LOG_VALIDATE_SAMPLE: "7",
      SESSIOND_TIMEOUT_PROFILE: "nist-aal2",
      SESSIOND_IDLE_TIMEOUT: "20m",
      SESSIOND_ABSOLUTE_TIMEOUT: "10h",
      SESSIOND_MAX_IDLE_TIMEOUT: "40m",
      SESSIOND_MAX_ABSOLUTE_TIMEOUT: "20h",
      SESSIOND_PRE_LOGIN_TIMEOUT: "3m",
      SESSIOND_TOUCH_INTERVAL: "1500ms",
      SESSIOND_MAX_ROTATION_GRACE: "1500ms",
      SESSIOND_IDLE_WARNING: "2m",
      SESSIOND_ABSOLUTE_WARNING: "1h",
      SESSIOND_COOKIE_SECURE: "false",
      SESSIOND_COOKIE_SAME_SITE: "strict",
      SESSIOND_COOKIE_NAME: "a",
      SESSIOND_PRE_LOGIN_COOKIE_NAME: "b",
      SESSIOND_CSRF_COOKIE_NAME: "c",
      SESSIOND_BIND_IP: "true",
      SESSIOND_BIND_USER_AGENT: "true",
      SESSIOND_UNIFORM_ERRORS: "true",
      SESSIOND_REQUIRE_TENANT: "true",
      SESSIOND_MAX_SESSIONS_PER_ACTOR: "18",
      SESSIOND_SESSION_LIMIT_POLICY: "reject",
      SESSIOND_AUDIT_RETENTION: "19d",
      SESSIOND_AUDIT_REFUSALS: "false",
      SESSIOND_AUDIT_QUEUE_LIMIT: "21",
      SESSIOND_SWEEP_SCHEDULE: "off",
      SESSIOND_SWEEP_JITTER: "0",
      SESSIOND_SWEEP_TIME_LIMIT: "22s",
      SESSIOND_SWEEP_BATCH_SIZE: "23",
      SESSIOND_HISTORY_WINDOW: "0s",
      SESSIOND_CLI_ADDRESS: "https://sessiond.example.com",
      SESSIOND_CLI_TOKEN: "sessiond_token",
      SESSIOND_CLI_CA: certificatePem,
      SESSIOND_CLI_CERT: certificatePem,
      SESSIOND_CLI_KEY: privateKeyPem(7),
      SESSIOND_CLI_SERVER_NAME: "sessiond.internal",
      SESSIOND_CLI_ACTOR: "ops:ada",
      SESSIOND_CLI_TIMEOUT: "24s",
    };
    const expected: Config = {
      workers: 3,
      server: {
        host: "::",
        port: 0,
        exposure: "protected",
        tls: {
          certificate: certificatePem,
          key: privateKeyPem(7),
          clientCa: certificatePem,
          clientCertificate: "required",
          files: { certificate: undefined, key: undefined, clientCa: undefined },
        },
        limits: {
          maxMessageBytes: 1_048_576,
          maxDeadlineMs: 5000,
          maxConcurrentStreams: 11,
          maxHeaderBytes: 32_768,
          maxConnections: 12,
          maxConnectionsPerPeer: 13,
          maxStreams: 14,
          maxStreamsPerPeer: 20,
          maxStreamsPerConnection: 15,
          maxStreamAgeMs: 16_000,
          idleConnectionTimeoutMs: 6 * MINUTE,
        },
        origins: {
          allowedHosts: ["sessiond.default.svc", "sessiond"],
          allowedOrigins: ["https://app.example.com"],
        },
        shutdownGraceMs: 7000,
        drainDelayMs: 8000,
        readinessTimeoutMs: 8500,
      },
      metrics: { host: "127.0.0.9", port: 9464 },
      callers: {
        file: "callers.jsonl",
        certificates: true,
        jwt: {
          jwks: new URL("https://issuer.test/keys"),
          issuer: "https://issuer.test",
          audience: "sessiond",
          algorithms: ["PS256", "EdDSA"],
        },
      },
      reflection: "off",
      extAuthz: {
        touch: false,
        csrfHeader: "x-xsrf-token",
        loginUrl: "/login?next={path}",
        trustedHops: 2,
        token: { audience: "orders", header: "authorization" },
      },
      admission: { maxCallsPerCaller: 123, ratePerCaller: { perSecond: 500, burst: 2000 } },
      database: {
        url: databaseUrl,
        dataDirectory: "somewhere/else",
        poolSize: 13,
        queueLimit: 14,
        queueTimeoutMs: 15,
        connectTimeoutMs: 160,
        startTimeoutMs: 165,
        statementTimeoutMs: 170,
        preparedStatements: false,
      },
      keyEncryption: {
        provider: "vault-transit",
        localKeys: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)],
        vault: {
          address: "https://vault.example.com:8200",
          key: "sessiond",
          mount: "teams/transit",
          namespace: "admin/login",
          tokenFile: "/run/vault-token",
          ca: certificatePem,
          timeoutMs: 175,
          startTimeoutMs: 176,
        },
      },
      tokens: {
        issuer: "https://sessiond.example.com",
        audiences: ["orders", "billing"],
        lifetimeMs: 2 * MINUTE,
        keys: { algorithm: "EdDSA", publishDelayMs: HOUR },
      },
      timeouts: {
        idleMs: 20 * MINUTE,
        absoluteMs: 10 * HOUR,
        maxIdleMs: 40 * MINUTE,
        maxAbsoluteMs: 20 * HOUR,
        preLoginMs: 3 * MINUTE,
        touchIntervalMs: 1500,
        idleWarningMs: 2 * MINUTE,
        absoluteWarningMs: HOUR,
        keyRetentionMs: 30 * DAY,
        maxRotationGraceMs: 1500,
      },
      cookies: {
        secure: false,
        sameSite: "strict",
        sessionName: "a",
        preLoginName: "b",
        csrfName: "c",
      },
      bindings: { ip: true, userAgent: true },
      sessionLimit: { maxPerActor: 18, policy: "reject" },
      tenants: { required: true },
      sweep: {
        historyMs: 0,
        auditRetentionMs: 19 * DAY,
        timeLimitMs: 22_000,
        batchSize: 23,
        schedule: undefined,
        jitterMs: 0,
      },
      uniformErrors: true,
      audit: { denials: false, queueLimit: 21 },
      log: { level: "trace", format: "pretty", validateSample: 7 },
    };
    expect(loadConfig(given, filesOf({}))).to.deep.equal(expected);

    for (const { name, source } of describeConfig(given)) expect(source, name).equal("environment");
  });

  it("reports all problems at once, by the names of the variables", () => {
    const problems = problemsOf({
      SESSIOND_PORT: "99999",
      SESSIOND_MAX_DEADLINE: "soon",
      SESSIOND_COOKIE_SECURE: "yes",
      SESSIOND_COOKIE_NAME: "csrf",
      SESSIOND_DATABASE_URL: databaseUrl,
      SESSIOND_TLS_CERT: certificatePem,
      SESSIOND_IDEL_TIMEOUT: "1m",
    });
    const names = problems.map((problem) => /SESSIOND_\w+/.exec(problem)?.[0]);
    expect(names).to.have.members([
      "SESSIOND_PORT",
      "SESSIOND_MAX_DEADLINE",
      "SESSIOND_COOKIE_SECURE",
      "SESSIOND_COOKIE_NAME",
      "SESSIOND_DATABASE_URL",
      "SESSIOND_TLS_CERT",
      "SESSIOND_IDEL_TIMEOUT",
    ]);
  });

  it("does not blame a setting for the mistake in another", () => {
    const env = { SESSIOND_ABSOLUTE_TIMEOUT: "10h", SESSIOND_SIGNING_KEY_RETENTION: "10h" };
    expect(problemsOf(env)).to.deep.equal([]);
    expectProblem(
      { ...env, SESSIOND_ABSOLUTE_TIMEOUT: "ten" },
      'SESSIOND_ABSOLUTE_TIMEOUT is "ten"',
    );
    const idle = { SESSIOND_TIMEOUT_PROFILE: "nist-aal1", SESSIOND_IDLE_TIMEOUT: "13h" };
    expect(problemsOf(idle)).to.deep.equal([]);
    expectProblem(
      { ...idle, SESSIOND_TIMEOUT_PROFILE: "aal1" },
      'SESSIOND_TIMEOUT_PROFILE is "aal1"',
    );
  });

  it("has database connections for every worker", () => {
    const poolSize = (SESSIOND_WORKERS: string) =>
      loadConfig({ SESSIOND_WORKERS }).database.poolSize;
    expect(["1", "2", "3", "64"].map(poolSize)).to.deep.equal([10, 10, 12, 256]);
  });

  it("counts an empty value as not set", () => {
    const empty = { SESSIOND_PORT: "", SESSIOND_IDLE_TIMEOUT: "", SESSIOND_TIMEOUT_PROFILE: "" };
    expect(loadConfig(empty)).to.deep.equal(loadConfig({}));
    expect(loadConfig({ SESSIOND_PORT: undefined })).to.deep.equal(loadConfig({}));
  });

  describe("unknown variables", () => {
    const suggestions: readonly (readonly [string, string])[] = [
      ["SESSIOND_IDLE_TIMOUT", "SESSIOND_IDLE_TIMEOUT"],
      ["SESSIOND_KEY_ENCRYPTION_KEY", "SESSIOND_KEY_ENCRYPTION_KEYS"],
      ["SESSIOND_DATABASE_URL_FIL", "SESSIOND_DATABASE_URL_FILE"],
      ["SESSIOND_LOGLEVEL", "SESSIOND_LOG_LEVEL"],
    ];
    for (const [wrong, right] of suggestions) {
      it(`${wrong} suggests ${right} and keeps the value to itself`, () => {
        const env = { [wrong]: "canary" };
        expectProblem(env, `${wrong} (hidden) is not a setting`, `did you mean ${right}?`);
        expect(problemsOf(env).join()).to.not.include("canary");
      });
    }

    it("are ignored if they belong to others", () => {
      const env = {
        PATH: "/bin",
        SESSION: "x",
        SESSIOND_TEST_DATABASE_URL: "x",
        SESSIOND_BENCH_SECONDS: "x",
      };
      expect(problemsOf(env)).to.deep.equal([]);
    });

    it("are ignored if Kubernetes describes a service named sessiond by them", () => {
      const env = {
        SESSIOND_SERVICE_HOST: "10.0.0.1",
        SESSIOND_SERVICE_PORT: "8480",
        SESSIOND_SERVICE_PORT_GRPC: "8480",
        SESSIOND_PORT: "tcp://10.0.0.1:8480",
        SESSIOND_PORT_8480_TCP: "tcp://10.0.0.1:8480",
        SESSIOND_PORT_8480_TCP_ADDR: "10.0.0.1",
        SESSIOND_PORT_8480_TCP_PORT: "8480",
        SESSIOND_PORT_8480_TCP_PROTO: "tcp",
        SESSIOND_DB_SERVICE_HOST: "10.0.0.2",
        SESSIOND_DB_PORT: "tcp://10.0.0.2:5432",
      };
      expect(loadConfig(env).server.port).to.equal(8480);
    });
  });

  describe("--print-config", () => {
    const secrets = {
      SESSIOND_DATABASE_URL: databaseUrl,
      SESSIOND_KEY_ENCRYPTION_KEYS: keyOf(5),
      SESSIOND_TLS_KEY_FILE: "/run/tls.key",
    };
    const env = {
      ...secrets,
      SESSIOND_TLS_CERT: certificatePem,
      SESSIOND_TIMEOUT_PROFILE: "workday",
      SESSIOND_SWEEP_SCHEDULE: "off",
    };
    const files = filesOf({ "/run/tls.key": privateKeyPem(7) });

    it("shows each setting's value and where it comes from", () => {
      const described = describeConfig(env, files);
      expect(described.map(({ name }) => name)).to.deep.equal(settingNames);
      const lines = described.map(({ name, value, source }) => `${name} ${value} ${source}`);
      expect(lines).to.include.members([
        "SESSIOND_PORT 8480 default",
        "SESSIOND_DATABASE_URL (hidden) environment",
        "SESSIOND_TLS_KEY (hidden) file",
        "SESSIOND_TLS_CERT (CN=localhost) environment",
        "SESSIOND_TIMEOUT_PROFILE workday environment",
        "SESSIOND_IDLE_TIMEOUT 4h profile",
        "SESSIOND_MAX_ABSOLUTE_TIMEOUT 8h default",
        "SESSIOND_SIGNING_KEY_RETENTION 9h default",
        "SESSIOND_SWEEP_SCHEDULE off environment",
      ]);
      expect(describeConfig({}).find(({ name }) => name === "SESSIOND_DATABASE_URL")?.value).equal(
        "(unset)",
      );
    });

    it("never shows a secret", () => {
      const shown = formatConfig(describeConfig(env, files));
      expect(shown.split("\n")).to.have.length(settingNames.length + 1);
      for (const text of ["canary", keyOf(5), "PRIVATE KEY"]) expect(shown).to.not.include(text);
    });

    it("refuses what loading refuses", () => {
      expect(() => describeConfig({ SESSIOND_PORT: "x" })).to.throw(ConfigError, "SESSIOND_PORT");
    });
  });

  it("allows every name in Host on an address that other machines can reach", () => {
    const allowedHosts = (env: Record<string, string>) =>
      loadConfig(env, filesOf({})).server.origins.allowedHosts;
    for (const SESSIOND_HOST of ["127.0.0.2", "::1", "localhost", "::ffff:127.0.0.1"]) {
      expect(allowedHosts({ SESSIOND_HOST }), SESSIOND_HOST).to.deep.equal(["localhost"]);
    }
    const permitted = { SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: "true" };
    expect(allowedHosts({ SESSIOND_HOST: "0.0.0.0", ...permitted })).to.equal(undefined);
    expect(allowedHosts({ SESSIOND_ALLOWED_HOSTS: "*" })).to.equal(undefined);
  });

  it("takes only lists of names and origins as browsers send them", () => {
    for (const hosts of ["a,a", "a:80", "A.example", "a, ", "http://a"]) {
      expectProblem({ SESSIOND_ALLOWED_HOSTS: hosts }, "SESSIOND_ALLOWED_HOSTS", "host names");
    }
    for (const origins of ["https://a/", "https://A", "https://a:443", "a.example", "null", "*"]) {
      expectProblem({ SESSIOND_ALLOWED_ORIGINS: origins }, "SESSIOND_ALLOWED_ORIGINS", "origins");
    }
  });

  it("keeps the embedded database's data where the user may write", () => {
    const home = { HOME: "/home/ada" };
    expect(defaultDataDirectory(home, 0)).to.equal("/var/lib/sessiond");
    expect(defaultDataDirectory(home, 1000)).to.equal("/home/ada/.local/share/sessiond");
    expect(defaultDataDirectory(home, undefined)).to.equal("/home/ada/.local/share/sessiond");
    const xdg = { ...home, XDG_DATA_HOME: "/xdg" };
    expect(defaultDataDirectory(xdg, 1000)).to.equal("/xdg/sessiond");
    expect(defaultDataDirectory({ ...home, XDG_DATA_HOME: "relative" }, 1000)).to.equal(
      "/home/ada/.local/share/sessiond",
    );
    expect(defaultDataDirectory({}, 1000)).to.match(/^\/.*\/sessiond$/);
  });
});
