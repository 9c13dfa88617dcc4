import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { CallError } from "../../src/cli/failure.ts";
import { openSession } from "../support/actors.ts";
import { startTestApp, TEST_KEY_ENCRYPTION_KEY, type TestApp } from "../support/app.ts";
import { type CommandOptions, runCommand } from "../support/command-line.ts";
import { createTestDatabase } from "../support/database.ts";

describe("exit codes of commands (L03)", () => {
  let app: TestApp;
  before(async () => {
    // An export until now waits for as long.
    app = await startTestApp({ env: { SESSIOND_DATABASE_STATEMENT_TIMEOUT: "1s" } });
  });
  after(() => app.stop());

  const run = (args: readonly string[], options: CommandOptions = {}) =>
    runCommand(args, { ...options, env: { SESSIOND_CLI_ADDRESS: app.url, ...options.env } });
  const UNKNOWN_ID = `ses-${"0".repeat(44)}`;

  it("0: done", async () => {
    expect((await run(["keys", "list"])).code).to.equal(0);
  });

  const wrong: readonly (readonly [readonly string[], string])[] = [
    [[], "sessiond needs a command: serve, migrate, config, "],
    [["sesions"], "unknown command 'sesions' (Did you mean sessions?)"],
    [["sessions", "get"], "missing required argument 'id'"],
    [["sessions", "get", "a", "b"], "too many arguments"],
    [["keys", "list", "--tennant", "a"], "unknown option '--tennant'"],
    [["sessions", "list", "--created-since", "yesterday"], "It must be a time such as"],
    [["sessions", "list", "--actor", "ada"], "It must be TYPE:ID"],
    [["sessions", "list", "--actor", "user:a", "--ip-address", "::1"], "cannot be used together"],
    [["sessions", "list", "--limit", "0"], "It must be a whole number from 1, or all"],
    [["sessions", "list", "--tenant", ""], "It must not be empty"],
    [["sessions", "revoke-all", "--reason", "x"], "which sessions? Name an --actor"],
    [["sessions", "revoke-all", "--reason", "x", "--everything", "--tenant", "a"], "--everything"],
    [["sessions", "revoke-all", "--reason", "x", "--tenant", "a", "--keep", "a"], "--keep is for"],
    [["rotate-key", "--immediately"], "--immediately is for --token-keys"],
    [["keys", "list", "--token-keys", "--tenant", "a"], "leave --tenant out"],
    [["audit", "tail", "--tenant", "a", "--all-tenants"], "cannot be used together"],
    [["token", "inspect", "abc"], "this is no signed JWT"],
    [["token", "create", "--name", "a b", "--role", "admin"], "--name must be"],
    [["completion", "csh"], "Allowed choices are bash, zsh, fish"],
    [["sessions", "list", "--timeout", "soon"], '--timeout is "soon": it must be a duration'],
    [["sessions", "list", "--address", "localhost"], "--address is"],
    [["sessions", "list", "--address", ""], "--address is empty"],
    [["sessions", "list", "--ca", "/none"], '--ca is "/none", which cannot be read (ENOENT)'],
    [
      ["sessions", "list", "--token-file", "/none/token"],
      '--token-file is "/none/token", which cannot be read (ENOENT)',
    ],
    [["sessions", "list", "--as", "\n"], "--as is"],
    [["sessions", "get", "not-an-id"], "INVALID_REQUEST: session.session_id"],
  ];
  for (const [args, message] of wrong) {
    it(`2: wrong use, ${args.join(" ").slice(0, 60) || "no command"}`, async () => {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.include(message);
    });
  }

  it("2: a group without a command, which names its commands and the help", async () => {
    expect(await run(["sessions"])).to.deep.equal({
      code: 2,
      stdout: "",
      stderr:
        "sessiond: sessiond sessions needs a command: list, get, revoke, revoke-all " +
        "(see sessiond sessions --help)\n",
    });
  });

  for (const token of ["sessiond_canary", "eyJhbGciOiJFUzI1NiJ9.canary.c2ln", "canary\n"]) {
    it(`2: a token in place of its file, ${token.slice(0, 9).trim()}, without showing it`, async () => {
      const { code, stderr } = await run(["keys", "list", "--token-file", token]);
      expect(code).to.equal(2);
      expect(stderr).to.include("--token-file holds what looks like the value itself");
      expect(stderr).not.to.include("canary");
    });
  }

  it("2: a token that would be sent in plain text to another machine", async () => {
    const env = { SESSIOND_CLI_ADDRESS: "http://sessiond.test", SESSIOND_CLI_TOKEN: "canary" };
    const { code, stderr } = await runCommand(["keys", "list"], { env });
    expect(code).to.equal(2);
    expect(stderr).to.include("the token would be sent unencrypted: use https://");
    expect(stderr).not.to.include("canary").and.not.include("allowTokenOverPlaintext");
  });

  it("3: not found", async () => {
    for (const args of [
      ["sessions", "get", UNKNOWN_ID],
      ["sessions", "revoke", UNKNOWN_ID, "--reason", "stolen"],
    ]) {
      const { code, stderr, stdout } = await run(args);
      expect(code).to.equal(3);
      expect(stdout + stderr).to.include("SESSION_NOT_FOUND");
    }
  });

  it("5: the service cannot be reached, with where it was looked for", async () => {
    // A port that nothing listens on.
    const listener = net.createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    listener.close();
    await once(listener, "close");
    const env = { SESSIOND_CLI_ADDRESS: undefined, SESSIOND_PORT: String(port) };
    const { code, stderr } = await run(["keys", "list"], { env });
    expect(code).to.equal(5);
    expect(stderr).to.equal(
      `sessiond: cannot reach sessiond at http://127.0.0.1:${port} (ECONNREFUSED): is it running? ` +
        "--address or SESSIOND_CLI_ADDRESS names another\n",
    );
  });

  it("5: the database is away, and 1 if it will not come", async () => {
    const database = await createTestDatabase({ empty: true });
    try {
      const away = new URL(database.url);
      away.port = "1";
      const missing = new URL(database.url);
      missing.pathname = "/none";
      for (const args of [["migrate"], ["migrate", "--check"], ["rewrap-keys"]]) {
        for (const wait of ["0s", "10ms"]) {
          const commandWith = (url: URL) =>
            runCommand(args, {
              env: {
                SESSIOND_DATABASE_URL: url.href,
                SESSIOND_DATABASE_START_TIMEOUT: wait,
                SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
              },
            });
          const refused = await commandWith(away);
          expect({ args, code: refused.code }).to.deep.equal({ args, code: 5 });
          expect(refused.stderr).to.include("cannot connect to the database").and.include(":1");
          const wrong = await commandWith(missing);
          expect({ args, code: wrong.code }).to.deep.equal({ args, code: 1 });
          expect(wrong.stderr).to.include('"none" does not exist');
        }
      }
    } finally {
      await database.drop();
    }
  });

  it("5: the service does not answer in time", async () => {
    const listener = net.createServer(() => {}).listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const args = ["keys", "list", "--address", `http://127.0.0.1:${port}`, "--timeout", "100ms"];
    const { code, stderr } = await run(args);
    listener.close();
    expect(code).to.equal(5);
    expect(stderr).to.include("has not answered in time (see --timeout and SESSIOND_CLI_TIMEOUT)");
  });

  it("5: an export that has begun with nothing leaves no file behind", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-export-"));
    try {
      const path = join(directory, "events.jsonl");
      const args = ["audit", "export", "--since", "1h", "--output", path];
      expect((await run([...args, "--address", "http://127.0.0.1:1"])).code).to.equal(5);
      expect(await readdir(directory)).to.deep.equal([]);
      const { code, stderr } = await run(args);
      expect(code, stderr).to.equal(0);
      expect(await readdir(directory)).to.deep.equal(["events.jsonl"]);
      expect((await run(args)).code).to.equal(2);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("6: done in part", async () => {
    const { id } = await openSession(app.client);
    const args = ["sessions", "revoke", UNKNOWN_ID, id, "--reason", "stolen", "--json"];
    const { code, stdout } = await run(args);
    expect(code).to.equal(6);
    const results = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).result);
    expect(results).to.deep.equal(["failed", "revoked"]);
  });

  it("8: migrations are pending, and 0 once they are applied", async () => {
    const database = await createTestDatabase({ empty: true });
    try {
      const key = Buffer.alloc(32, 7).toString("base64");
      const env = { SESSIOND_DATABASE_URL: database.url, SESSIOND_KEY_ENCRYPTION_KEYS: key };
      // A job on the database has neither certificates nor callers.
      const settings = { env: { ...env, SESSIOND_HOST: "0.0.0.0", SESSIOND_CALLERS_FILE: "none" } };
      const pending = await runCommand(["migrate", "--check", "--json"], settings);
      expect(pending.code, pending.stderr).to.equal(8);
      const { pending: names } = JSON.parse(pending.stdout);
      expect(names).to.have.length.above(0);
      const migrated = await runCommand(["migrate", "--json"], settings);
      expect(migrated.code, migrated.stderr).to.equal(0);
      expect(JSON.parse(migrated.stdout)).to.deep.equal({ applied: names });
      const check = await runCommand(["migrate", "--check"], settings);
      expect(check).to.deep.equal({ code: 0, stdout: "the schema is up to date\n", stderr: "" });
      expect((await runCommand(["migrate"], settings)).stdout).to.equal(
        "the schema is up to date\n",
      );

      await database.sql("INSERT INTO schema_migrations (timestamp, name) VALUES (9, 'Later9')");
      const later = await runCommand(["migrate", "--check"], settings);
      expect(later.code).to.equal(1);
      expect(later.stderr).to.include("migrations that this version does not know: Later9");
    } finally {
      await database.drop();
    }
  });

  it("130 and 143: interrupted", async () => {
    const listener = net.createServer(() => {}).listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    for (const exitCode of [130, 143]) {
      const connected = once(listener, "connection");
      const { code, stdout, stderr } = await run(["keys", "list"], {
        env: { SESSIOND_CLI_ADDRESS: `http://127.0.0.1:${port}` },
        onStart: (interrupt) => void connected.then(() => interrupt(exitCode)),
      });
      expect({ code, stdout, stderr }).to.deep.equal({ code: exitCode, stdout: "", stderr: "" });
    }
    listener.close();
  });

  it("1: nobody reads the output any more", async () => {
    const { code, stderr } = await run(["keys", "list"], {
      onStdout: async () => {
        throw Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
      },
    });
    expect({ code, stderr }).to.deep.equal({ code: 1, stderr: "" });
  });

  it("go with a JSON object on standard error, with --json", async () => {
    const { code, stdout, stderr } = await run(["sessions", "get", UNKNOWN_ID, "--json"]);
    expect({ code, stdout }).to.deep.equal({ code: 3, stdout: "" });
    expect(JSON.parse(stderr)).to.deep.equal({
      error: {
        reason: "SESSION_NOT_FOUND",
        code: "NOT_FOUND",
        message: "no session has this id",
      },
    });
    const people = await run(["sessions", "get", UNKNOWN_ID]);
    expect(people.stderr).to.equal("sessiond: SESSION_NOT_FOUND: no session has this id\n");
    const misuse = await run(["--json", "sesions"]);
    expect(Object.keys(JSON.parse(misuse.stderr).error)).to.deep.equal(["message"]);
  });

  describe("with text of others on standard error", () => {
    it("show that of the service so that it neither controls the terminal nor forges a line", async () => {
      const server = http2.createServer();
      server.on("stream", (stream) => {
        stream.respond(
          {
            "content-type": "application/grpc",
            "grpc-status": "13",
            "grpc-message": "%1B[31mred%0Asessiond: done%C2%9B0m",
          },
          { endStream: true },
        );
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const args = ["keys", "list", "--address", `http://127.0.0.1:${port}`];
      const people = await run(args);
      const json = await run([...args, "--json"], { terminal: 80 });
      server.close();
      expect(people.code).to.equal(1);
      expect(people.stderr).to.match(/^sessiond: .* failed: INTERNAL: red sessiond: done.*\n$/);
      for (const { stderr } of [people, json]) expect(stderr).not.to.match(/[^\P{Cc}\n]/u);
      const { message } = JSON.parse(json.stderr).error;
      expect(message).to.include("\u001b[31mred\nsessiond: done\u009b0m");
    });

    it("and that of the database, in failures and in notes", async () => {
      const database = await createTestDatabase();
      const check = async (name: string) => {
        const text = "INSERT INTO schema_migrations (timestamp, name) VALUES (9999999999999, $1)";
        await database.sql(text, [name]);
        return await runCommand(["migrate", "--check"], {
          env: {
            SESSIOND_DATABASE_URL: database.url,
            SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
          },
        });
      };
      try {
        const note = await check("ExpandNote\u001b[31m\u009b0m");
        const failure = await check("Failure\u001b[31m\u009b0m");
        expect(note.code, note.stderr).to.equal(0);
        expect(note.stderr).to.include("which this version can use: ExpandNote");
        expect(failure.code).to.equal(1);
        expect(failure.stderr).to.match(/migrations that this version does not know: .*Failure/);
        for (const { stderr } of [note, failure]) expect(stderr).not.to.match(/[^\P{Cc}\n]/u);
      } finally {
        await database.drop();
      }
    });

    it("keeps the lines of mistakes in the settings", async () => {
      const { code, stderr } = await runCommand(["migrate"], {
        env: { SESSIOND_DATABASE_POOL_SIZE: "none", SESSIOND_DATABASE_URL: "x\u001b[31m" },
      });
      expect(code).to.equal(1);
      expect(stderr).to.match(
        /^sessiond: the configuration has 2 problems:\n {2}- .*\n {2}- .*\n$/,
      );
      expect(stderr).not.to.match(/[^\P{Cc}\n]/u);
    });
  });

  it("say that the service is too old", async () => {
    const unimplemented = new ConnectError("unknown method", Code.Unimplemented);
    const { failure } = new CallError(SessionService.method.get, app.url, unimplemented);
    expect(failure).to.deep.include({ exitCode: 1, code: "UNIMPLEMENTED" });
    expect(failure.message).to.include("this sessiond does not know Get: upgrade the service");
  });
});
