import { readFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import { expect } from "chai";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { AuditEventSchema, SessionSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import { newActor, newTenant, type OpenedSession, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { createTestFile, newToken, type TestFile, tokenLine } from "../support/callers.ts";
import { type CommandOptions, jsonLines, runCommand, tableOf } from "../support/command-line.ts";

describe("commands against a running service (L01)", () => {
  let app: TestApp;
  let opened: OpenedSession;
  const run = (args: readonly string[], options: CommandOptions = {}) =>
    runCommand(args, { ...options, env: { SESSIOND_CLI_ADDRESS: app.url, ...options.env } });
  /** What a command prints that succeeds. */
  const output = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(args);
    expect(code, stderr).to.equal(0);
    return stdout;
  };

  before(async () => {
    app = await startTestApp();
    opened = await openSession(app.client, {
      userAgent: "\u001b[31mred\u001b[0m\u202eagent",
      ipAddress: "192.0.2.7",
      metadata: { theme: "dark" },
    });
  });
  after(() => app.stop());

  const actorArgument = () => `user:${opened.actor.actorId}`;

  it("sessions list shows an actor's sessions, as a table and as JSON", async () => {
    const [titles, row] = tableOf(await output("sessions", "list", "--actor", actorArgument()));
    expect(titles?.slice(0, 4)).to.deep.equal(["ID", "TENANT", "ACTOR", "STATE"]);
    expect(row?.slice(0, 4)).to.deep.equal([opened.id, "default", actorArgument(), "active"]);

    const [json] = jsonLines(
      await output("sessions", "list", "--actor", actorArgument(), "--json"),
    );
    const { session } = await app.client.get({
      session: { ref: { case: "sessionId", value: opened.id } },
    });
    expect(json).to.deep.equal(session && toJson(SessionSchema, session));
  });

  it("sessions list goes through all pages, up to the limit", async () => {
    const actor = newActor();
    for (let count = 0; count < 205; count += 1) await openSession(app.client, { actor });
    const list = (limit: string) =>
      output("sessions", "list", "--actor", `user:${actor.actorId}`, "--json", "--limit", limit);
    expect(jsonLines(await list("all"))).to.have.length(205);
    expect(jsonLines(await list("202"))).to.have.length(202);
    const table = await output(
      "sessions",
      "list",
      "--actor",
      `user:${actor.actorId}`,
      "--limit",
      "all",
    );
    expect(table.match(/^ID /gm), "titles").to.have.length(1);
  });

  it("sessions list says that there are none, on standard error", async () => {
    const args = ["sessions", "list", "--actor", "user:nobody"];
    expect(await run(args)).to.deep.equal({ code: 0, stdout: "", stderr: "no sessions\n" });
    expect(await run([...args, "--quiet"])).to.deep.equal({ code: 0, stdout: "", stderr: "" });
    expect(await run([...args, "--json"])).to.deep.equal({ code: 0, stdout: "", stderr: "" });
  });

  it("sessions get shows one session, whatever it contains", async () => {
    const text = await output("sessions", "get", opened.id);
    expect(text).to.match(new RegExp(`^id +${opened.id}$`, "m"));
    expect(text).to.match(/^metadata "theme" +dark$/m);
    // What others have chosen does not control the terminal.
    expect(text).to.match(/^user agent +\S*red\S*agent$/m);
    expect(text).not.to.include("\u001b").and.not.to.include("\u202e");
    const [json] = jsonLines(await output("sessions", "get", opened.id, "--json"));
    expect(json).to.include({ id: opened.id, ipAddress: "192.0.2.7" });
  });

  it("sessions revoke ends sessions by their ids, and tells what became of each", async () => {
    const [one, other] = [await openSession(app.client), await openSession(app.client)];
    const revoke = (...args: readonly string[]) =>
      run(["--as", "ops:ada", "sessions", "revoke", ...args, "--reason", "stolen"]);
    const first = await revoke(one.id);
    expect(first.code, first.stderr).to.equal(0);
    const second = await revoke(one.id, other.id, "--json");
    expect(jsonLines(second.stdout)).to.deep.equal([
      { id: one.id, result: "already_ended" },
      { id: other.id, result: "revoked" },
    ]);
    const events = jsonLines(await output("audit", "tail", "--resource", one.id, "--json"));
    expect(events.at(-1)).to.deep.include({
      action: "auth.session_revoked",
      actingActorId: "ops:ada",
    });
  });

  it("keys list and rotate-key show and make signing keys", async () => {
    const tenant = newTenant();
    const made = JSON.parse(await output("rotate-key", "--tenant", tenant, "--json"));
    expect(made.activeKey).to.include({ tenantId: tenant, state: "SIGNING_KEY_STATE_ACTIVE" });
    const again = await output("rotate-key", "--tenant", tenant);
    const retired = made.activeKey.id;
    expect(again).to.match(new RegExp(`^retired key +${retired}$`, "m"));
    const [titles, active, old] = tableOf(await output("keys", "list", "--tenant", tenant));
    expect(titles?.slice(0, 3)).to.deep.equal(["ID", "TENANT", "STATE"]);
    expect(active?.[2]).to.equal("active");
    expect(old?.slice(0, 3)).to.deep.equal([retired, tenant, "retired"]);
    expect(jsonLines(await output("keys", "list", "--tenant", tenant, "--json"))).to.have.length(2);
  });

  it("sweep deletes what is past its retention", async () => {
    const before = await openSession(app.client);
    await app.sql(
      "UPDATE sessions SET absolute_expires_at = now() - interval '100 days' WHERE id = $1",
      [before.id],
    );
    const text = await output("sweep", "--until-done");
    expect(text)
      .to.match(/^sessions deleted +1$/m)
      .and.to.match(/^more to delete +no$/m);
    const [json] = jsonLines(await output("sweep", "--json"));
    expect(json ?? {}).not.to.have.property("sessionsDeleted");
  });

  it("audit tail shows the newest events, the newest one last", async () => {
    const tenant = newTenant();
    const { id } = await openSession(app.client, { actor: newActor({ tenantId: tenant }) });
    await run(["sessions", "revoke", id, "--reason", "logout"]);
    const events = jsonLines(await output("audit", "tail", "--tenant", tenant, "--json"));
    const { auditEvents } = await app.client.listAuditEvents({ tenantId: tenant });
    expect(events).to.deep.equal(
      auditEvents.reverse().map((event) => toJson(AuditEventSchema, event)),
    );
    const [titles, ...rows] = tableOf(await output("audit", "tail", "-n", "1", "--tenant", tenant));
    expect(titles?.slice(0, 2)).to.deep.equal(["TIME", "ACTION"]);
    expect(rows.map(([, action]) => action)).to.deep.equal(["auth.session_revoked"]);
  });

  it("cuts the lines of a table to the terminal", async () => {
    const args = ["sessions", "list", "--actor", actorArgument()];
    const { stdout } = await run(args, { terminal: 60, hasColors: true });
    expect(stdout).to.include("\u001b[1mID");
    for (const line of stdout.trimEnd().split("\n").slice(1)) expect(line).to.have.length(60);
    const plain = await run([...args, "--no-color"], { terminal: 60, hasColors: true });
    expect(plain.stdout).not.to.include("\u001b");
  });

  it("does not cut the lines where a terminal reports 0 columns", async () => {
    const args = ["sessions", "list", "--actor", actorArgument()];
    const { stdout } = await run(args, { terminal: 0 });
    expect(stdout).to.equal((await run(args)).stdout);
  });

  describe("where callers are authenticated", () => {
    const tokens = { admin: newToken(), issuer: newToken() };
    let file: TestFile;
    let tokenFile: TestFile;
    let guarded: TestApp;

    before(async () => {
      file = await createTestFile(
        tokenLine(tokens.admin, { role: "admin", name: "ops" }),
        tokenLine(tokens.issuer, { role: "issuer", name: "web" }),
      );
      tokenFile = await createTestFile(tokens.admin);
      guarded = await startTestApp({ env: { SESSIOND_CALLERS_FILE: file.path } });
    });
    after(async () => {
      await guarded.stop();
      await file.remove();
      await tokenFile.remove();
    });

    it("takes the token from a file or the environment, and never shows it", async () => {
      const env = { SESSIOND_CLI_ADDRESS: guarded.url };
      const args = ["keys", "list"];
      for (const [more, settings] of [
        [["--token-file", tokenFile.path], {}],
        [[], { SESSIOND_CLI_TOKEN: tokens.admin }],
        [[], { SESSIOND_CLI_TOKEN_FILE: tokenFile.path }],
        [["--token-file", tokenFile.path], { SESSIOND_CLI_TOKEN: tokens.issuer }],
      ] as const) {
        const result = await runCommand([...args, ...more], { env: { ...env, ...settings } });
        expect(result.code, result.stderr).to.equal(0);
        expect(result.stdout + result.stderr).not.to.include(tokens.admin);
      }
      for (const [settings, reason] of [
        [{}, "CALLER_UNAUTHENTICATED"],
        [{ SESSIOND_CLI_TOKEN: tokens.issuer }, "CALLER_FORBIDDEN"],
      ] as const) {
        const result = await runCommand(args, { env: { ...env, ...settings } });
        expect(result.code).to.equal(4);
        expect(result.stderr).to.include(reason).and.not.include(tokens.issuer);
      }
    });

    it("token list shows the callers file without hashes", async () => {
      const { stdout } = await runCommand(["token", "list", "--file", file.path]);
      expect(tableOf(stdout)).to.deep.equal([
        ["NAME", "ROLE", "TENANTS", "CREDENTIAL", "EXPIRES"],
        ["ops", "admin", "all", "token", "never"],
        ["web", "issuer", "all", "token", "never"],
      ]);
      const content = await readFile(file.path, "utf8");
      const json = await runCommand(["token", "list", "--json"], {
        env: { SESSIOND_CALLERS_FILE: file.path },
      });
      for (const { token_sha256 } of jsonLines(content)) {
        expect(stdout + json.stdout).not.to.include(token_sha256);
      }
      expect(jsonLines(json.stdout)[0]).to.deep.equal({
        name: "ops",
        role: "admin",
        credential: "token",
        expired: false,
      });
    });

    it("token create makes a token that the service takes", async () => {
      const created = await runCommand([
        "token",
        "create",
        "--name",
        "new",
        "--role",
        "admin",
        "--file",
        file.path,
        "--json",
      ]);
      expect(created.code, created.stderr).to.equal(0);
      const { token } = JSON.parse(created.stdout);
      await guarded.app.readFiles();
      const env = { SESSIOND_CLI_ADDRESS: guarded.url, SESSIOND_CLI_TOKEN: token };
      expect((await runCommand(["keys", "list"], { env })).code).to.equal(0);
    });
  });

  it("token inspect shows the claims of a JWT, and whether it verifies", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    const { publicKey: otherKey } = await generateKeyPair("ES256");
    const jwk = async (key: typeof publicKey) => ({
      ...(await exportJWK(key)),
      kid: "tk-1",
      alg: "ES256",
    });
    const jwks = await createTestFile(JSON.stringify({ keys: [await jwk(publicKey)] }));
    try {
      const jwt = await new SignJWT({ tenant_id: "acme" })
        .setProtectedHeader({ alg: "ES256", kid: "tk-1" })
        .setSubject("user-1")
        .setIssuer("https://sessiond.test")
        .setAudience("upstream")
        .setExpirationTime("5m")
        .sign(privateKey);
      const shown = await runCommand(["token", "inspect", "-"], { stdin: `${jwt}\n` });
      expect(shown.stdout)
        .to.match(/^tenant_id +acme$/m)
        .and.to.match(/^exp +\d{4}-.*Z \(\d+\)$/m);
      expect(shown.stdout).not.to.include("valid");
      const signature = jwt.split(".")[2] ?? "";
      expect(shown.stdout).not.to.include(signature);

      const args = ["token", "inspect", jwt, "--jwks", jwks.path, "--json"];
      const good = await runCommand(args);
      expect({ code: good.code, ...JSON.parse(good.stdout) }).to.deep.include({
        code: 0,
        valid: true,
      });
      await jwks.write(JSON.stringify({ keys: [await jwk(otherKey)] }));
      const bad = await runCommand(args);
      expect({ code: bad.code, ...JSON.parse(bad.stdout) }).to.deep.include({
        code: 1,
        valid: false,
      });
    } finally {
      await jwks.remove();
    }
  });

  describe("of names that others have chosen", () => {
    const jwtOf = (claims: object): string => {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
      return `${part({ alg: "ES256" })}.${part(claims)}.c2ln`;
    };

    it("token inspect shows claims so that they neither control the terminal nor forge a line", async () => {
      const claims = {
        "a\u001b[31m": "red",
        "k\u009b31m": "\u009bx",
        "sub\nvalid  yes": "",
        valid: "yes",
        " valid": "yes",
        "https://sessiond.test/roles": "ops",
      };
      const args = ["token", "inspect", jwtOf(claims)];
      const { stdout } = await runCommand(args);
      expect(stdout).not.to.match(/[^\P{Cc}\n]/u);
      expect(stdout).not.to.match(/^ *valid /m);
      expect(stdout).to.match(/^"valid" +yes$/m);
      expect(stdout).to.match(/^https:\/\/sessiond\.test\/roles +ops$/m);
      expect(stdout.trimEnd().split("\n")).to.have.length(1 + Object.keys(claims).length);

      const json = await runCommand([...args, "--json"], { terminal: 80 });
      expect(json.stdout).not.to.match(/[^\P{Cc}\n]/u);
      expect(JSON.parse(json.stdout).claims).to.deep.equal(claims);
    });

    it("sessions get shows metadata so that it does not control the terminal", async () => {
      const metadata = { "k\u009b31m": "v", "\u{e0001}\u202e": "w" };
      const { id } = await openSession(app.client, { metadata });
      expect(await output("sessions", "get", id)).not.to.match(/[\u0080-\u009f\u202e\u{e0001}]/u);
      const json = await run(["sessions", "get", id, "--json"], { terminal: 80 });
      expect(json.stdout).not.to.match(/[\u0080-\u009f\u202e\u{e0001}]/u);
      expect(JSON.parse(json.stdout).metadata).to.deep.equal(metadata);
    });
  });

  it("config show and check tell the settings, and all that is wrong with them", async () => {
    const show = await runCommand(["config", "show"], { env: { SESSIOND_IDLE_TIMEOUT: "20m" } });
    expect(tableOf(show.stdout)).to.deep.include(["SESSIOND_IDLE_TIMEOUT", "20m", "environment"]);
    const json = await runCommand(["config", "show", "--json"], {
      env: { SESSIOND_CLI_TOKEN: "sessiond_canary" },
    });
    expect(jsonLines(json.stdout)).to.deep.include({
      name: "SESSIOND_CLI_TOKEN",
      value: "(hidden)",
      source: "environment",
    });
    expect((await runCommand(["config", "check"])).code).to.equal(0);
    const env = { SESSIOND_PORT: "none", SESSIOND_IDEL_TIMEOUT: "1m" };
    const check = await runCommand(["config", "check", "--json"], { env });
    const { ok, problems } = JSON.parse(check.stdout);
    expect({ code: check.code, ok, count: problems.length }).to.deep.equal({
      code: 7,
      ok: false,
      count: 2,
    });
  });
});
