import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { dumpOf } from "../support/database-dump.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { databaseEnv, type StartOptions, useSessiond } from "../support/sessiond-process.ts";
import { openTestStorage } from "../support/storage.ts";
import { corrupt } from "../support/unreadable-signing-keys.ts";

const NO_RANDOMNESS = join(import.meta.dirname, "../support/no-randomness.ts");
const CANARY = "canary-password";

describe("sessiond as a process: refused starts", () => {
  const sessiond = useSessiond();
  const listeners: net.Server[] = [];
  const sockets: net.Socket[] = [];

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const listener of listeners.splice(0)) listener.close();
  });

  /** Accepts connections and says nothing. */
  async function listenSilently(): Promise<number> {
    const server = net.createServer((socket) => sockets.push(socket));
    listeners.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  /** It ends with 1 and one message, and has not listened. Returns the message. */
  async function refusal(options: StartOptions): Promise<string> {
    const { code, stdout, stderr } = await sessiond.run(options);
    expect({ code, stdout }, stderr).to.deep.equal({ code: 1, stdout: "" });
    const lines = stderr.split("\n");
    const start = lines.findIndex((line) => line.startsWith("sessiond: "));
    expect(start, stderr).not.to.equal(-1);
    // Before it there may be log lines, after it there is no stack trace.
    expect(stderr).not.to.match(/^ +at /m);
    expect(stderr).not.to.include('"serving"');
    return lines.slice(start).join("\n");
  }

  describe("exposure to the network", () => {
    const open = "SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION";

    it("does not listen on all addresses without authentication, and names the ways out", async () => {
      const database = databaseEnv(await sessiond.database());
      const message = await refusal({ env: { ...database, SESSIOND_HOST: "0.0.0.0" } });
      expect(message).to.include("SESSIOND_HOST (0.0.0.0) is not a loopback address");
      for (const way of ["SESSIOND_CALLERS_FILE", "127.0.0.1", `${open}=true`]) {
        expect(message).to.include(way);
      }
    });

    it("does if a setting says so, with a warning at the start", async () => {
      const database = databaseEnv(await sessiond.database());
      const env = { ...database, SESSIOND_HOST: "0.0.0.0", [open]: "true" };
      const serving = await sessiond.serve({ env });
      await openSession(serving.client);
      const { stderr } = await serving.end("SIGTERM");
      const warnings = stderr.split("\n").filter((line) => line.includes(open));
      expect(warnings).to.have.length(1);
      expect(JSON.parse(warnings[0] ?? "")).to.include({ level: 40 });
    });
  });

  describe("configuration", () => {
    it("reports every problem at once, by variable, without the values of secrets", async () => {
      const message = await refusal({
        env: {
          SESSIOND_DATABASE_URL: `postgres://user:${CANARY}@host/db`,
          SESSIOND_PORT: "eighty",
          SESSIOND_IDLE_TIMEOUT: "13h",
          SESSIOND_PROT: CANARY,
        },
      });
      expect(message).to.match(/^sessiond: the configuration has 4 problems:\n/);
      for (const variable of [
        "SESSIOND_KEY_ENCRYPTION_KEYS",
        "SESSIOND_PORT",
        "SESSIOND_IDLE_TIMEOUT",
        "SESSIOND_PROT",
      ]) {
        expect(message).to.match(new RegExp(`^ {2}- .*\\b${variable}\\b`, "m"));
      }
      expect(message).not.to.include(CANARY);
    });

    it("asks for key-encryption keys with an external database, and says how to make one", async () => {
      const message = await refusal({ env: { SESSIOND_DATABASE_URL: "postgres://host/db" } });
      expect(message).to.include("SESSIOND_KEY_ENCRYPTION_KEYS");
      expect(message).to.include("`openssl rand -base64 32`");
      const [, command = ""] = /`(node -p [^`]*)`/.exec(message) ?? [];
      const made = execFileSync("sh", ["-c", command], { encoding: "utf8" }).trim();
      expect(Buffer.from(made, "base64")).to.have.length(32);
    });

    it("names the nearest variable for one that it does not know", async () => {
      const message = await refusal({ env: { SESSIOND_DATABASE_ULR: "postgres://host/db" } });
      expect(message).to.include("SESSIOND_DATABASE_ULR");
      expect(message).to.include("did you mean SESSIOND_DATABASE_URL?");
    });
  });

  describe("A26: key-encryption keys", () => {
    it("refuses to serve with a wrong one, and leaves the data as it was", async () => {
      const database = await sessiond.database();
      const first = await sessiond.serve({ env: databaseEnv(database) });
      const { cookie } = await openSession(first.client);
      await first.end("SIGTERM");
      const before = await dumpOf(database);

      const wrong = randomBytes(32).toString("base64");
      const message = await refusal({
        env: { ...databaseEnv(database), SESSIOND_KEY_ENCRYPTION_KEYS: wrong },
      });

      expect(message).to.match(/signing key sk-[0-9a-f]{32} cannot be decrypted/);
      expect(message).to.include("SESSIOND_KEY_ENCRYPTION_KEYS");
      expect(message).not.to.include(wrong);
      expect(await dumpOf(database)).to.deep.equal(before);
      const again = await sessiond.serve({ env: databaseEnv(database) });
      await validate(again.client, cookie);
    });

    it("does not upgrade the schema with a wrong one: the older version can still use it", async () => {
      const database = await sessiond.database();
      const first = await sessiond.serve({ env: databaseEnv(database) });
      await first.end("SIGTERM");
      const storage = await openTestStorage(database.url, { poolSize: 1 });
      await storage.dataSource.undoLastMigration();
      await storage.close();
      const before = await dumpOf(database);

      const wrong = randomBytes(32).toString("base64");
      const message = await refusal({
        env: { ...databaseEnv(database), SESSIOND_KEY_ENCRYPTION_KEYS: wrong },
      });

      expect(message).to.match(/signing key sk-[0-9a-f]{32} cannot be decrypted/);
      expect(message).to.include("SESSIOND_KEY_ENCRYPTION_KEYS");
      expect(await dumpOf(database)).to.deep.equal(before);
      await sessiond.serve({ env: databaseEnv(database) });
      expect(await dumpOf(database)).not.to.deep.equal(before);
    });

    it("says that the default tenant's key is corrupt, and not that the key-encryption key is", async () => {
      const database = await sessiond.database();
      const first = await sessiond.serve({ env: databaseEnv(database) });
      await first.end("SIGTERM");
      const [key] = await database.sql<{ id: string }>("SELECT id FROM signing_keys");
      await corrupt(database.sql, key?.id ?? "");

      const message = await refusal({ env: databaseEnv(database) });
      expect(message).to.match(/its ciphertext is corrupt, .* \(restore it from a backup\)$/m);
      expect(message).not.to.include("SESSIOND_KEY_ENCRYPTION_KEYS");
    });
  });

  describe("A16: randomness", () => {
    it("ends with INITIAL_SIGNING_KEY_MINT_FAILED before it listens if there is none", async () => {
      const database = await sessiond.database();
      const message = await refusal({
        env: databaseEnv(database),
        nodeArgs: ["--import", NO_RANDOMNESS],
      });
      expect(message).to.include("INITIAL_SIGNING_KEY_MINT_FAILED");
      expect(await database.sql("SELECT id FROM signing_keys")).to.deep.equal([]);
    });
  });

  describe("database", () => {
    interface Case {
      change: (url: URL) => Promise<void> | void;
      why: RegExp;
      /** Short only where it is what ends the start. */
      connectTimeout?: string;
      /** 0s where a start would wait. With 1h, a start that waits would not end during the test. */
      startTimeout: "0s" | "1h";
      /** The database's host and port by default. */
      address?: string;
      keepPassword?: true;
    }
    const cases: Record<string, Case> = {
      "nobody listens": {
        change(url) {
          url.host = "127.0.0.1:1";
        },
        why: /ECONNREFUSED/,
        startTimeout: "0s",
      },
      "nobody listens on any of the name's addresses": {
        change(url) {
          url.host = "localhost:1";
        },
        why: /ECONNREFUSED/,
        startTimeout: "0s",
      },
      "it does not answer": {
        async change(url) {
          url.host = `127.0.0.1:${await listenSilently()}`;
        },
        why: /timeout/,
        connectTimeout: "500ms",
        startTimeout: "0s",
      },
      "its host is a Unix socket's directory and no server is there": {
        change(url) {
          url.searchParams.set("host", "/nonexistent");
        },
        why: /ENOENT/,
        address: "/nonexistent/.s.PGSQL.",
        startTimeout: "0s",
      },
      "it does not know the user": {
        change(url) {
          url.username = "stranger";
        },
        why: /"stranger"/,
        startTimeout: "1h",
      },
      "the URL has no password": {
        change(url) {
          url.password = "";
        },
        why: /SESSIOND_DATABASE_URL has no password/,
        startTimeout: "1h",
      },
      "there is no such database": {
        change(url) {
          url.pathname = "/nowhere";
        },
        why: /"nowhere"/,
        startTimeout: "1h",
        keepPassword: true,
      },
      "it has no TLS": {
        change(url) {
          url.searchParams.set("sslmode", "require");
        },
        why: /does not support SSL.*sslmode=disable/,
        startTimeout: "1h",
      },
    };
    for (const [name, one] of Object.entries(cases)) {
      it(`ends within the connect timeout if ${name}, without the password`, async () => {
        const { change, why, connectTimeout, startTimeout, address, keepPassword } = one;
        const url = new URL((await sessiond.database()).url);
        if (!keepPassword) url.password = CANARY;
        await change(url);
        const env = {
          ...databaseEnv({ url: url.href }),
          SESSIOND_DATABASE_START_TIMEOUT: startTimeout,
          ...(connectTimeout && { SESSIOND_DATABASE_CONNECT_TIMEOUT: connectTimeout }),
        };
        const message = await refusal({ env });
        const where = address ?? `${url.host}: `;
        expect(message).to.include(`cannot connect to the database at ${where}`);
        expect(message).to.match(why);
        expect(message).not.to.include(CANARY);
        if (url.password !== "") expect(message).not.to.include(url.password);
      });
    }
  });

  describe("a database that sessiond cannot use", () => {
    /** Starts on the database, which must be refused without a wait. */
    const refusedOn = (url: string) =>
      refusal({ env: { ...databaseEnv({ url }), SESSIOND_DATABASE_START_TIMEOUT: "1h" } });

    it("is one of a PostgreSQL before 15: says which version it is, and what is needed", async () => {
      const database = await sessiond.database();
      const [row] = await database.sql("SHOW server_version_num");
      const proxy = await startDatabaseProxy(database.url, {
        rewrite: [row?.server_version_num, "140012"],
      });
      try {
        const message = await refusedOn(proxy.url);
        expect(message).to.match(/its version is PostgreSQL .*; sessiond needs PostgreSQL 15/);
      } finally {
        await proxy.close();
      }
    });

    it("has migrations of a newer version: names them, and says what to run", async () => {
      const database = await sessiond.database();
      await database.sql(
        `INSERT INTO schema_migrations (timestamp, name)
         VALUES (1899999999999, 'AddFuture1899999999999'), (1900000000000, 'DropPast1900000000000')`,
      );
      const message = await refusedOn(database.url);
      expect(message).to.include(
        "migrations that this version does not know: AddFuture1899999999999, DropPast1900000000000; " +
          "run the version of sessiond that applied them, or a newer one",
      );
    });

    const foreign = {
      '"sessions"': "CREATE TABLE sessions (sid text)",
      '"schema_migrations"': "CREATE TABLE schema_migrations (version text)",
      '"schema_migrations", "sessions"':
        "CREATE TABLE schema_migrations (version text); CREATE TABLE sessions (sid text)",
    };
    for (const [tables, sql] of Object.entries(foreign)) {
      it(`has ${tables} of another program: says so once, and that it needs a place of its own`, async () => {
        const database = await sessiond.database({ empty: true });
        await database.sql(sql);
        const message = await refusedOn(database.url);
        expect(message).to.include(
          `its schema "public" already has tables that sessiond did not create: ${tables}; ` +
            "give sessiond a database of its own, or a schema of its own",
        );
        expect(message.trimEnd().split("\n")).to.have.length(1);
        const left = await database.sql(
          "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
        );
        expect(left).to.have.length(tables.split(",").length);
      });
    }

    it("beside which the schema of the advice works", async () => {
      const database = await sessiond.database({ empty: true });
      await database.sql("CREATE TABLE sessions (sid text)");
      await database.sql("CREATE SCHEMA sessiond");
      const [, parameter = ""] = /\?(options=\S+) in/.exec(await refusedOn(database.url)) ?? [];
      const serving = await sessiond.serve({
        env: databaseEnv({ url: `${database.url}?${parameter}` }),
      });
      const { cookie } = await openSession(serving.client);
      await validate(serving.client, cookie);
      expect(await database.sql("SELECT 1 FROM sessiond.sessions")).to.have.length(1);
      expect(await database.sql("SELECT 1 FROM public.sessions")).to.have.length(0);
      const replica = await sessiond.serve({
        env: databaseEnv({ url: `${database.url}?${parameter}` }),
      });
      await validate(replica.client, cookie);
    });

    it("has no schema to create tables in, or none that the role may use", async () => {
      const database = await sessiond.database({ empty: true });
      const nowhere = `${database.url}?options=-c%20search_path%3Dnowhere`;
      expect(await refusedOn(nowhere)).to.include("no schema of its search_path exists");
      const role = `role_${randomBytes(6).toString("hex")}`;
      await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD '${CANARY}'`);
      try {
        const url = new URL(database.url);
        url.username = role;
        url.password = CANARY;
        expect(await refusedOn(url.href)).to.match(
          /permission denied for schema public: the role must own the database/,
        );
      } finally {
        await database.sql(`DROP ROLE ${role}`);
      }
    });

    it("cannot be migrated for another reason: says so once", async () => {
      const database = await sessiond.database({ empty: true });
      await database.sql("CREATE VIEW signing_keys_by_tenant AS SELECT 1");
      const message = await refusedOn(database.url);
      expect(message).to.match(
        /^sessiond: cannot use the database at \S+: its schema cannot be brought up to date: relation "signing_keys_by_tenant" already exists\n$/,
      );
    });

    it("is read-only: names the setting, after the wait for the end of a failover", async () => {
      const database = await sessiond.database();
      const [row] = await database.sql("SELECT current_database() AS name");
      await database.sql(`ALTER DATABASE ${row?.name} SET default_transaction_read_only = on`);
      const message = await refusal({
        env: { ...databaseEnv(database), SESSIOND_DATABASE_START_TIMEOUT: "100ms" },
      });
      expect(message).to.match(
        /read-only \(default_transaction_read_only is on\); sessiond must be/,
      );
      expect(message).to.include("waited 0.1 s (see SESSIOND_DATABASE_START_TIMEOUT)");
    });
  });

  it("says so if the port is in use", async () => {
    const port = await listenSilently();
    const database = await sessiond.database();
    const message = await refusal({ env: { ...databaseEnv(database), SESSIOND_PORT: `${port}` } });
    expect(message).to.include(`port ${port}`);
    expect(message).to.include("another process is using this port (see SESSIOND_PORT)");
  });
});
