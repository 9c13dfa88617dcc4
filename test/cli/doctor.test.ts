import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { judgeClock } from "../../src/cli/doctor/clock.ts";
import { judgeDatabase } from "../../src/cli/doctor/database.ts";
import type { Finding, Level } from "../../src/cli/doctor/finding.ts";
import { judgeTls } from "../../src/cli/doctor/tls.ts";
import { loadConfig } from "../../src/config/config.ts";
import { type DatabaseFacts, readDatabaseFacts } from "../../src/doctor-checks.ts";
import { newActor, newTenant, openSession } from "../support/actors.ts";
import { startTestApp, TEST_KEY_ENCRYPTION_KEY, type TestApp } from "../support/app.ts";
import { createTestFile, newToken, tokenLine } from "../support/callers.ts";
import { createAuthority, LOCAL_NAMES } from "../support/certificate-authority.ts";
import { runCommand } from "../support/command-line.ts";
import { asAdmin, createTestDatabase } from "../support/database.ts";
import { pgbouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { databaseEnv } from "../support/sessiond-process.ts";
import { TOKENS_ENV, tokenFor } from "../support/tokens.ts";
import {
  corrupt,
  OTHER_KEY_ENCRYPTION_KEY,
  reEncrypt,
} from "../support/unreadable-signing-keys.ts";

type Env = Readonly<Record<string, string | undefined>>;
type Reports = Readonly<Record<string, readonly Finding[]>>;

/** What doctor finds, by the names of its parts. */
async function examine(env: Env, ...args: readonly string[]): Promise<Reports> {
  const { stdout, stderr, code } = await runCommand(["doctor", "--json", ...args], { env });
  const { checks, problems } = JSON.parse(stdout) as {
    checks: { name: string; findings: Finding[] }[];
    problems: number;
  };
  expect(code, stderr).to.equal(problems > 0 ? 7 : 0);
  return Object.fromEntries(checks.map(({ name, findings }) => [name, findings]));
}

/** Expects a finding with this text, which says what to do. */
function expectFinding(
  findings: readonly Finding[] | undefined,
  level: Level,
  text: string,
  fix: string,
): void {
  const found = findings?.find((finding) => finding.text.includes(text));
  expect(found, JSON.stringify(findings)).to.include({ level });
  expect(found?.fix).to.include(fix);
}

describe("sessiond doctor (L08)", () => {
  let app: TestApp;
  let env: Record<string, string>;
  before(async () => {
    app = await startTestApp();
    await openSession(app.client);
    // The tests' server has it off.
    const name = new URL(app.database.url).pathname.slice(1);
    await app.sql(`ALTER DATABASE ${name} SET synchronous_commit = on`);
    env = { ...databaseEnv(app.database), SESSIOND_CLI_ADDRESS: app.url };
  });
  after(() => app.stop());

  it("finds nothing wrong where nothing is, and changes nothing", async () => {
    const reports = await examine(env);
    for (const [name, findings] of Object.entries(reports)) {
      for (const { level, text } of findings) expect(level, `${name}: ${text}`).to.equal("ok");
    }
    expect(Object.keys(reports)).to.include.members([
      ...["configuration", "database", "keys", "clock", "pooler", "sweep"],
      ...["tls", "callers", "service", "metrics"],
    ]);
    expect(await app.sql("SELECT FROM pg_prepared_xacts")).to.deep.equal([]);
    const people = await runCommand(["doctor"], { env });
    expect(people.stdout).to.match(/^keys\n {2}ok +all 1 signing keys can be decrypted$/m);
    expect(people.stdout).to.match(/\n0 problems, 0 warnings\n$/);
  });

  it("does not ask the service with --offline", async () => {
    const reports = await examine(
      { ...env, SESSIOND_CLI_ADDRESS: "http://127.0.0.1:1" },
      "--offline",
    );
    expect(Object.keys(reports)).not.to.include.members(["service"]);
  });

  it("tells each mistake in the settings, and no secret", async () => {
    const reports = await examine({
      ...env,
      SESSIOND_PORT: "none",
      SESSIOND_IDEL_TIMEOUT: "secret",
    });
    expectFinding(reports.configuration, "problem", 'SESSIOND_PORT is "none"', "configuration.md");
    expectFinding(
      reports.configuration,
      "problem",
      "did you mean SESSIOND_IDLE_TIMEOUT",
      "correct",
    );
    expect(JSON.stringify(reports)).not.to.include("secret");
  });

  it("tells files that others can read or write", async () => {
    const secret = await createTestFile(TEST_KEY_ENCRYPTION_KEY);
    const callers = await createTestFile(tokenLine(newToken(), { role: "admin" }));
    try {
      await chmod(secret.path, 0o644);
      await chmod(callers.path, 0o666);
      const { SESSIOND_KEY_ENCRYPTION_KEYS: _, ...rest } = env;
      const settings = {
        ...rest,
        SESSIOND_KEY_ENCRYPTION_KEYS_FILE: secret.path,
        SESSIOND_CALLERS_FILE: callers.path,
      };
      const { configuration } = await examine(settings, "--offline");
      expectFinding(
        configuration,
        "warning",
        `can read ${secret.path}`,
        `chmod o-r ${secret.path}`,
      );
      expectFinding(configuration, "problem", `can write to ${callers.path}`, "chmod go-w");
      await chmod(secret.path, 0o600);
      await chmod(callers.path, 0o600);
      const { configuration: after } = await examine(settings, "--offline");
      expect(after?.map(({ level }) => level)).to.deep.equal(["ok"]);
    } finally {
      await secret.remove();
      await callers.remove();
    }
  });

  describe("database", () => {
    it("tells that it cannot be reached, without user and password", async () => {
      const url = "postgres://canary-user:canary-password@127.0.0.1:1/db";
      const { database } = await examine({ ...env, SESSIOND_DATABASE_URL: url }, "--offline");
      expectFinding(
        database,
        "problem",
        "cannot connect to the database at 127.0.0.1:1",
        "run it again",
      );
      expect(JSON.stringify(database)).not.to.include("canary");
    });

    it("tells pending migrations, unknown ones, and rights that the role has not", async () => {
      const database = await createTestDatabase();
      const empty = await createTestDatabase({ empty: true });
      const role = `doctor_${process.pid}`;
      try {
        const of = async (url: string) =>
          (await examine({ ...env, SESSIOND_DATABASE_URL: url }, "--offline")).database;
        expectFinding(
          await of(empty.url),
          "warning",
          "migrations are pending: CreateTables",
          "sessiond migrate",
        );
        await asAdmin(`CREATE ROLE ${role} LOGIN PASSWORD 'doctor'`);
        const url = new URL(database.url);
        [url.username, url.password] = [role, "doctor"];
        await database.sql(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
        const may = `may not INSERT, UPDATE, DELETE on sessions`;
        expectFinding(
          await of(url.href),
          "problem",
          may,
          "GRANT INSERT, UPDATE, DELETE ON sessions",
        );
        await database.sql(`REVOKE SELECT ON token_keys FROM ${role}`);
        expectFinding(
          await of(url.href),
          "problem",
          "may not SELECT, INSERT, UPDATE, DELETE on token_keys",
          "GRANT SELECT, INSERT, UPDATE, DELETE ON token_keys",
        );
        const add = (name: string) =>
          database.sql("INSERT INTO schema_migrations (timestamp, name) VALUES (9, $1)", [name]);
        await add("ExpandLater9");
        expectFinding(await of(database.url), "warning", "newer version: ExpandLater9", "upgrade");
        await add("Later9");
        expectFinding(
          await of(database.url),
          "problem",
          "does not know: ExpandLater9, Later9",
          "or a newer one",
        );
      } finally {
        await database.sql(`DROP OWNED BY ${role}`);
        await database.drop();
        await empty.drop();
        await asAdmin(`DROP ROLE ${role}`);
      }
    });

    it("tells which host it has looked at", async () => {
      const url = new URL(app.database.url);
      const { host } = url;
      url.host = "127.0.0.1:1";
      url.searchParams.set("target_session_attrs", "read-write");
      const several = url.href.replace("127.0.0.1:1", `127.0.0.1:1,${host}`);
      const { database } = await examine({ ...env, SESSIOND_DATABASE_URL: several }, "--offline");
      expect(database?.[0]?.level, JSON.stringify(database)).to.equal("ok");
      expect(database?.[0]?.text).to.match(/^PostgreSQL \S+.* at /);
      expect(database?.[0]?.text).to.include(` at ${host}, a primary`);
    });

    it("tells settings of the role that lose changes or prevent them", async () => {
      const settings = (name: string, value: string) =>
        `${app.database.url}?options=-c%20${name}%3D${value}`;
      const of = async (url: string) =>
        (await examine({ ...env, SESSIOND_DATABASE_URL: url }, "--offline")).database;
      const off = await of(settings("synchronous_commit", "off"));
      expectFinding(
        off,
        "problem",
        "a revoked session can be live again",
        "synchronous_commit = on",
      );
      const readOnly = await of(settings("default_transaction_read_only", "on"));
      expectFinding(readOnly, "problem", "default_transaction_read_only is on", "switch it off");
    });

    it("tells a pool that is larger than the server", async () => {
      const { database } = await examine(
        { ...env, SESSIOND_DATABASE_POOL_SIZE: "1000" },
        "--offline",
      );
      expectFinding(
        database,
        "problem",
        "SESSIOND_DATABASE_POOL_SIZE is 1000",
        "raise max_connections",
      );
    });

    describe("by its facts", () => {
      const config = loadConfig({});
      let facts: DatabaseFacts;
      before(async () => {
        const own = loadConfig(env);
        const { signal } = new AbortController();
        facts = await readDatabaseFacts(own, app.database.url, Date.now, signal);
      });
      const server = (changes: Partial<DatabaseFacts["server"]>): DatabaseFacts => ({
        ...facts,
        server: { ...facts.server, ...changes },
      });

      it("tells an old version, a standby, another encoding and a long transaction", () => {
        for (const [changes, level, text, fix] of [
          [{ version: "14.9", versionNumber: 140_009 }, "problem", "version 14.9", "15 or newer"],
          [{ isStandby: true }, "problem", "a standby", "the primary"],
          [{ encoding: "LATIN1" }, "problem", "LATIN1", "ENCODING 'UTF8'"],
          [{ oldestTransactionSeconds: 3601 }, "warning", "open for 1 h", "pg_stat_activity"],
          [{ schema: null }, "problem", "no schema of the search_path", "create one"],
        ] as const) {
          expectFinding(judgeDatabase(server(changes), config), level, text, fix);
        }
      });

      it("tells a table with many dead rows", () => {
        const table = {
          name: "sessions",
          liveRows: 60_000,
          deadRows: 40_000,
          lastVacuum: null,
          missingRights: [],
        };
        const of = (changes: object) =>
          judgeDatabase({ ...facts, tables: [{ ...table, ...changes }] }, config);
        expectFinding(
          of({}),
          "warning",
          "40 % of the rows of sessions are dead (never",
          "VACUUM sessions",
        );
        expect(
          of({ deadRows: 9_999, liveRows: 0 }).filter(({ level }) => level !== "ok"),
        ).to.deep.equal([]);
        expect(of({ deadRows: 25_000 }).filter(({ level }) => level !== "ok")).to.deep.equal([]);
      });

      it("tells a clock that is wrong, but not by the time that the answer took", () => {
        const clock = (before: number, database: number, after: number) =>
          judgeClock(server({ clock: { before, database, after } }));
        expect(clock(0, 999, 5000)[0]?.level).to.equal("ok");
        expect(clock(1000, 0, 2000)[0]?.level).to.equal("ok");
        expectFinding(clock(5000, 3000, 5010), "warning", "2 s ahead of the database's", "chrony");
        expectFinding(clock(0, 61_000, 10), "problem", "1 min behind the database's", "chrony");
      });
    });
  });

  it("tells sessions that the sweep should have deleted", async () => {
    const { id } = await openSession(app.client);
    await app.sql(
      "UPDATE sessions SET absolute_expires_at = now() - interval '9 days' WHERE id = $1",
      [id],
    );
    const { sweep } = await examine(env, "--offline");
    expectFinding(sweep, "warning", "should have been deleted 2 d ago", "sweep --until-done");
    const off = await examine({ ...env, SESSIOND_SWEEP_SCHEDULE: "off" }, "--offline");
    expectFinding(
      off.sweep,
      "warning",
      "should have been deleted",
      "SESSIOND_SWEEP_SCHEDULE is off",
    );
    await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
  });

  it("waits for the next sweep of the schedule, for two hours longer, and without one for three", async () => {
    const { id } = await openSession(app.client);
    const levelOf = async (hours: number, schedule: string) => {
      await app.sql(
        "UPDATE sessions SET absolute_expires_at = now() - make_interval(days => 7, hours => $2) WHERE id = $1",
        [id, hours],
      );
      const { sweep } = await examine({ ...env, SESSIOND_SWEEP_SCHEDULE: schedule }, "--offline");
      return sweep?.map(({ level }) => level).join();
    };
    for (const [schedule, kept, late] of [
      ["0 * * * *", 3, 4],
      ["0 3 * * *", 26, 28],
      ["off", 2, 3],
    ] as const) {
      expect(await levelOf(kept, schedule), `${schedule}, ${kept} h`).to.equal("ok");
      expect(await levelOf(late, schedule), `${schedule}, ${late} h`).to.equal("warning");
    }
    await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
  });

  it("tells keys that cannot be decrypted, are under another key, are old or missing", async () => {
    const other = await startTestApp();
    try {
      const tenants = [newTenant(), newTenant(), newTenant()];
      for (const tenantId of tenants)
        await openSession(other.client, { actor: newActor({ tenantId }) });
      const settings = databaseEnv(other.database);
      const keyOf = async (tenant?: string) =>
        (
          await other.sql<{ id: string }>("SELECT id FROM signing_keys WHERE tenant_id = $1", [
            tenant,
          ])
        )[0]?.id ?? "";
      const [corrupted, under, old] = await Promise.all(tenants.map(keyOf));
      await corrupt(other.sql, corrupted ?? "");
      await reEncrypt(other.sql, under ?? "");
      await other.sql(
        "UPDATE signing_keys SET created_at = now() - interval '91 days' WHERE id = $1",
        [old],
      );
      const { keys } = await examine(settings, "--offline");
      expectFinding(
        keys,
        "problem",
        `signing key ${corrupted} cannot be decrypted`,
        "restore the key",
      );
      expectFinding(
        keys,
        "problem",
        `signing key ${under} cannot be decrypted`,
        "SESSIOND_KEY_ENCRYPTION_KEYS",
      );
      expectFinding(keys, "warning", "active signing key is 91 d old", "sessiond rotate-key");
      const both = `${TEST_KEY_ENCRYPTION_KEY},${OTHER_KEY_ENCRYPTION_KEY}`;
      await other.sql("DELETE FROM signing_keys WHERE id = $1", [corrupted]);
      const { keys: fixed } = await examine(
        { ...settings, SESSIOND_KEY_ENCRYPTION_KEYS: both },
        "--offline",
      );
      expectFinding(
        fixed,
        "warning",
        "1 of 3 signing keys are not under the current",
        "rewrap-keys",
      );
      expectFinding(
        fixed,
        "warning",
        `the tenant "${tenants[0]}" has sessions, but no`,
        "rotate-key --tenant",
      );
      expect(JSON.stringify(keys)).not.to.include(TEST_KEY_ENCRYPTION_KEY);
    } finally {
      await other.stop();
    }
  });

  it("decrypts the signing keys of all tenants and the token keys, and tells those that it cannot", async () => {
    const issuing = await startTestApp({ env: TOKENS_ENV });
    try {
      const actor = newActor({ tenantId: newTenant() });
      const { cookie } = await openSession(issuing.client, { actor });
      await tokenFor(issuing.client, cookie);
      await issuing.client.rotateSigningKey({ tenantId: actor.tenantId, actingActorId: "ada" });
      await openSession(issuing.client);
      const settings = databaseEnv(issuing.database);
      const keysOf = async () => (await examine(settings, "--offline")).keys;
      expect(await keysOf()).to.deep.equal([
        { level: "ok", text: "all 3 signing keys can be decrypted" },
        { level: "ok", text: "all 1 token keys can be decrypted" },
      ]);
      const [key] = await issuing.sql<{ id: string }>("SELECT id FROM token_keys");
      const id = key?.id ?? "";
      await issuing.sql("UPDATE token_keys SET key_encryption_key_id = 'gone'");
      expectFinding(
        await keysOf(),
        "warning",
        "1 of 1 token keys are not under the current",
        "sessiond rewrap-keys",
      );
      await corrupt(issuing.sql, id, "token_keys");
      const replace = "rotate-key --token-keys --immediately";
      expectFinding(await keysOf(), "problem", `token key ${id} cannot be decrypted`, replace);
      // One that nobody verifies with any more does not matter.
      await issuing.sql("UPDATE token_keys SET published_until = now()");
      expect((await keysOf())?.map(({ level }) => level)).to.deep.equal(["ok"]);
    } finally {
      await issuing.stop();
    }
  });

  (pgbouncer === undefined ? it.skip : it)(
    "tells PgBouncer's mode, and the setting that suits it",
    async () => {
      const bouncer = await startPgBouncer(app.database.url, 5);
      try {
        const of = async (more: Env) =>
          (await examine({ ...env, SESSIOND_DATABASE_URL: bouncer.url, ...more }, "--offline"))
            .pooler;
        expectFinding(
          await of({}),
          "warning",
          "loses prepared statements",
          "PREPARED_STATEMENTS=false",
        );
        const suited = await of({ SESSIOND_DATABASE_PREPARED_STATEMENTS: "false" });
        expect(suited?.[0]).to.include({ level: "ok" });
        expect(suited?.[0]?.text).to.include("in transaction mode").and.include("suit it");
      } finally {
        await bouncer.stop();
      }
    },
  );

  describe("TLS", () => {
    const authority = createAuthority();
    const DAY_MS = 86_400_000;
    const now = Date.UTC(2026, 0, 1);
    const issue = (from: number, until: number, san: readonly string[] = LOCAL_NAMES) =>
      authority.issue({ san, notBefore: new Date(from), notAfter: new Date(until) });
    const judge = ({ certificate, key }: { certificate: string; key: string }, clientCa?: string) =>
      judgeTls(
        {
          certificate,
          key,
          clientCa,
          clientCertificate: "optional",
          files: { certificate: undefined, key: undefined, clientCa: undefined },
        },
        now,
      );

    it("tells certificates that have expired, expire soon, or are not valid yet", () => {
      const year = 365 * DAY_MS;
      expect(judge(issue(now - DAY_MS, now + year))[0]?.level).to.equal("ok");
      expectFinding(judge(issue(now - year, now - 1000)), "problem", "has expired", "renew");
      expectFinding(
        judge(issue(now - year, now + 6.5 * DAY_MS)),
        "warning",
        "expires in 6 d",
        "renew",
      );
      expectFinding(judge(issue(now + DAY_MS, now + year)), "problem", "not valid yet", "clock");
      // One that lives for a day is renewed in its last third.
      expect(judge(issue(now - DAY_MS / 3, now + DAY_MS / 2))[0]?.level).to.equal("ok");
    });

    it("tells a certificate without names, and a chain in the wrong order", () => {
      const year = 365 * DAY_MS;
      expectFinding(
        judge(issue(now, now + year, [])),
        "problem",
        "no names",
        "names by which clients call",
      );
      const leaf = issue(now, now + year);
      const stranger = createAuthority("stranger").certificate;
      const wrong = { ...leaf, certificate: leaf.certificate + stranger };
      expectFinding(
        judge(wrong),
        "problem",
        "certificate 2 of SESSIOND_TLS_CERT",
        "certificate first",
      );
      const chain = { ...leaf, certificate: leaf.certificate + authority.certificate };
      expect(judge(chain).filter(({ text }) => text.includes("has not signed"))).to.deep.equal([]);
    });

    it("tells plain HTTP on the network", async () => {
      const settings = {
        SESSIOND_HOST: "0.0.0.0",
        SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: "true",
      };
      const reports = await examine({ ...env, ...settings }, "--offline");
      expectFinding(reports.tls, "warning", "plain HTTP on the network", "SESSIOND_TLS_CERT");
      expectFinding(reports.callers, "warning", "not authenticated", "network policy");
    });
  });

  it("tells what is wrong with the callers file", async () => {
    const file = await createTestFile("{}");
    try {
      const of = async () =>
        (await examine({ ...env, SESSIOND_CALLERS_FILE: file.path }, "--offline")).callers;
      expectFinding(await of(), "problem", "the callers file: line 1", "correct these lines");
      const soon = new Date(Date.now() + 3 * 86_400_000 + 60_000).toISOString();
      const [token, other] = [newToken(), newToken()];
      await file.write(
        tokenLine(token, { name: "web", expires_at: soon }),
        tokenLine(other, { name: "gone", expires_at: "2020-01-01T00:00:00Z" }),
      );
      const findings = await of();
      expectFinding(
        findings,
        "warning",
        "of web expires in 3 d",
        "token create --name web --role issuer",
      );
      expectFinding(findings, "warning", "expired lines: gone", "remove");
      expectFinding(findings, "warning", "no caller has the role admin", "--role admin");
      await file.write("");
      expectFinding(await of(), "problem", "nobody can call", "sessiond token create");
      await file.remove();
      expectFinding(
        await of(),
        "problem",
        "cannot be read (ENOENT)",
        "sessiond token create --file",
      );
    } finally {
      await file.remove().catch(() => {});
    }
  });

  it("tells a service that cannot be reached, or does not let the command line in", async () => {
    const away = await examine({ ...env, SESSIOND_CLI_ADDRESS: "http://127.0.0.1:1" });
    expectFinding(
      away.service,
      "problem",
      "cannot reach sessiond at http://127.0.0.1:1",
      "--offline",
    );
    const token = newToken();
    const file = await createTestFile(tokenLine(token));
    const guarded = await startTestApp({ env: { SESSIOND_CALLERS_FILE: file.path } });
    try {
      const settings = { ...env, SESSIOND_CLI_ADDRESS: guarded.url, SESSIOND_CLI_TOKEN: token };
      const { service } = await examine(settings);
      expectFinding(service, "warning", "CALLER_FORBIDDEN", "the role admin");
      expect(JSON.stringify(service)).not.to.include(token);
    } finally {
      await guarded.stop();
      await file.remove();
    }
  });

  it("tells what the metrics say, and that there are none", async () => {
    let text = "";
    const server = createServer((_, response) => void response.end(text)).listen(0, "127.0.0.1");
    // A failed expectation must not keep the process.
    server.unref();
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const settings = { SESSIOND_METRICS_PORT: String(port) };
    const of = async (...args: readonly string[]) => {
      const { stdout } = await runCommand(["doctor", "--json", ...args], {
        env: settings,
        version: "2.0.0",
      });
      const { checks } = JSON.parse(stdout);
      return checks.find(({ name }: { name: string }) => name === "metrics").findings;
    };
    text = `sessiond_build_info{version="1.0.0",node="24"} 1
sessiond_audit_events_dropped_total 3
sessiond_sweep_due_timestamp_seconds ${Date.now() / 1000 - 5 * 3600}
`;
    const findings = await of();
    expectFinding(
      findings,
      "warning",
      "the service is sessiond 1.0.0, the command line 2.0.0",
      "version",
    );
    expectFinding(findings, "warning", "3 audit events", "SESSIOND_AUDIT_QUEUE_LIMIT");
    expectFinding(findings, "warning", "of this replica is overdue by 5 h", "--until-done");
    text = `sessiond_build_info{version="2.0.0"} 1
sessiond_audit_events_dropped_total 0
sessiond_sweep_last_success_timestamp_seconds ${Date.now() / 1000 - 5 * 24 * 3600}
sessiond_sweep_due_timestamp_seconds ${Date.now() / 1000 - 3600}
`;
    expect((await of())[0]).to.include({ level: "ok" });
    const elsewhere = await of("--address", "http://127.0.0.1:1");
    expect(elsewhere[0]?.text).to.include("not asked");
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    expectFinding(
      await of(),
      "problem",
      `no metrics at http://127.0.0.1:${port}/metrics: ECONNREFUSED`,
      "METRICS_PORT",
    );
  });
});
