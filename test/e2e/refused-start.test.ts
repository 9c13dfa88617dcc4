import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import type { TestDatabase } from "../support/database.ts";
import { databaseEnv, type StartOptions, useSessiond } from "../support/sessiond-process.ts";

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
    /** Everything in the tables that a start writes to. */
    async function checksum({ sql }: TestDatabase): Promise<string> {
      const [row] = await sql<{ checksum: string }>(`
        SELECT md5(concat(
          (SELECT string_agg(signing_keys::text, ',' ORDER BY id) FROM signing_keys),
          (SELECT string_agg(audit_events::text, ',' ORDER BY id) FROM audit_events))) AS checksum`);
      return row?.checksum ?? "";
    }

    it("refuses to serve with a wrong one, and leaves the data as it was", async () => {
      const database = await sessiond.database();
      const first = await sessiond.serve({ env: databaseEnv(database) });
      const { cookie } = await openSession(first.client);
      await first.end("SIGTERM");
      const before = await checksum(database);

      const wrong = randomBytes(32).toString("base64");
      const message = await refusal({
        env: { ...databaseEnv(database), SESSIOND_KEY_ENCRYPTION_KEYS: wrong },
      });

      expect(message).to.match(/signing key sk-[0-9a-f]{32} cannot be decrypted/);
      expect(message).to.include("SESSIOND_KEY_ENCRYPTION_KEYS");
      expect(message).not.to.include(wrong);
      expect(await checksum(database)).to.equal(before);
      const again = await sessiond.serve({ env: databaseEnv(database) });
      await validate(again.client, cookie);
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
    }
    const cases: Record<string, Case> = {
      "nobody listens": {
        change(url) {
          url.host = "127.0.0.1:1";
        },
        why: /ECONNREFUSED/,
      },
      "nobody listens on any of the name's addresses": {
        change(url) {
          url.host = "localhost:1";
        },
        why: /ECONNREFUSED/,
      },
      "it does not answer": {
        async change(url) {
          url.host = `127.0.0.1:${await listenSilently()}`;
        },
        why: /timeout/,
        connectTimeout: "500ms",
      },
      "it does not know the user": {
        change(url) {
          url.username = "stranger";
        },
        why: /"stranger"/,
      },
    };
    for (const [name, { change, why, connectTimeout }] of Object.entries(cases)) {
      it(`ends within the connect timeout if ${name}, without the password`, async () => {
        const url = new URL((await sessiond.database()).url);
        url.password = CANARY;
        await change(url);
        const env = {
          ...databaseEnv({ url: url.href }),
          ...(connectTimeout && { SESSIOND_DATABASE_CONNECT_TIMEOUT: connectTimeout }),
        };
        const message = await refusal({ env });
        expect(message).to.include(`cannot connect to the database at ${url.host}: `);
        expect(message).to.match(why);
        expect(message).not.to.include(CANARY);
      });
    }
  });

  it("says so if the port is in use", async () => {
    const port = await listenSilently();
    const database = await sessiond.database();
    const message = await refusal({ env: { ...databaseEnv(database), SESSIOND_PORT: `${port}` } });
    expect(message).to.include(`port ${port}`);
    expect(message).to.include("another process is using this port (see SESSIOND_PORT)");
  });
});
