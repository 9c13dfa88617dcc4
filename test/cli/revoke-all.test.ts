import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "chai";
import { newActor, newTenant, type OpenedSession, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { type CommandOptions, jsonLines, runCommand } from "../support/command-line.ts";
import { findProgram } from "../support/programs.ts";

describe("commands across actors", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  const run = (args: readonly string[], options: CommandOptions = {}) =>
    runCommand(args, { ...options, env: { SESSIOND_CLI_ADDRESS: app.url, ...options.env } });

  async function openIn(tenantId: string, request: Parameters<typeof openSession>[1] = {}) {
    const actor = newActor({
      tenantId,
      ...(request.actor && { actorType: request.actor.actorType }),
    });
    return await openSession(app.client, { ...request, actor });
  }
  const idsOf = (opened: readonly OpenedSession[]) => opened.map(({ id }) => id);
  const liveIn = async (tenantId: string): Promise<string[]> => {
    const rows = await app.sql<{ id: string }>(
      "SELECT id FROM sessions WHERE tenant_id = $1 AND revoked_at IS NULL",
      [tenantId],
    );
    return rows.map(({ id }) => id);
  };

  describe("sessions list by filter (L06)", () => {
    const tenant = newTenant();
    let sessions: Record<"old" | "office" | "robot" | "phone", OpenedSession>;
    before(async () => {
      sessions = {
        old: await openIn(tenant),
        office: await openIn(tenant, { ipAddress: "10.1.2.3" }),
        robot: await openIn(tenant, { actor: newActor({ actorType: "robot" }), appType: "batch" }),
        phone: await openIn(tenant, { userAgent: "Phone 100%" }),
      };
      await app.sql(
        `UPDATE sessions SET created_at = now() - interval '3 hours',
           last_seen_at = now() - interval '2 hours', idle_timeout_seconds = 40000 WHERE id = $1`,
        [sessions.old.id],
      );
    });

    const filters: readonly (readonly [readonly string[], readonly (keyof typeof sessions)[]])[] = [
      [[], ["old", "office", "robot", "phone"]],
      [["--ip-address", "10.1.2.3"], ["office"]],
      [["--ip-address", "10.0.0.0/8"], ["office"]],
      [["--actor-type", "robot"], ["robot"]],
      [["--app-type", "batch"], ["robot"]],
      [["--user-agent", "100%"], ["phone"]],
      [
        ["--created-since", "1h"],
        ["office", "robot", "phone"],
      ],
      [["--created-before", "1h"], ["old"]],
      [
        ["--seen-since", "90m"],
        ["office", "robot", "phone"],
      ],
      [["--seen-before", "90m"], ["old"]],
      [["--seen-before", "90m", "--user-agent", "phone"], []],
    ];
    for (const [args, expected] of filters) {
      it(`${args.join(" ") || "--tenant"} finds ${expected.join(", ") || "none"}`, async () => {
        const all = ["sessions", "list", "--tenant", tenant, ...args, "--json"];
        const { code, stdout, stderr } = await run(all);
        expect(code, stderr).to.equal(0);
        const found = jsonLines(stdout).map(({ id }) => id);
        expect(found).to.have.members(expected.map((name) => sessions[name].id));
      });
    }

    it("--ended also lists those that have ended, and --limit bounds all", async () => {
      const { id } = await openIn(tenant);
      await run(["sessions", "revoke", id, "--reason", "logout"]);
      const list = async (...args: readonly string[]) =>
        jsonLines((await run(["sessions", "list", "--tenant", tenant, "--json", ...args])).stdout);
      expect((await list()).map((session) => session.id)).not.to.include(id);
      expect((await list("--ended")).map((session) => session.id)).to.include(id);
      expect(await list("--ended", "--limit", "2")).to.have.length(2);
    });
  });

  describe("sessions revoke-all (L07)", () => {
    const revokeAll = (args: readonly string[], options: CommandOptions = {}) =>
      run(["sessions", "revoke-all", "--reason", "leak", ...args], options);

    it("shows with --dry-run what it would revoke, and then revokes just that", async () => {
      const tenant = newTenant();
      const opened = [await openIn(tenant), await openIn(tenant)];
      await openIn(newTenant());
      const preview = await revokeAll(["--tenant", tenant, "--dry-run", "--json"]);
      expect(preview.code, preview.stderr).to.equal(0);
      const { sample, ...counts } = JSON.parse(preview.stdout);
      expect(counts).to.deep.equal({ dryRun: true, found: 2, revoked: 0, tenants: [tenant] });
      expect(sample).to.have.members(idsOf(opened));
      const people = await revokeAll(["--tenant", tenant, "--dry-run"]);
      expect(people.stdout).to.include(`this would revoke 2 sessions of tenant ${tenant}\n`);
      expect(await liveIn(tenant)).to.have.members(idsOf(opened));

      const done = await revokeAll(["--tenant", tenant, "--yes", "--json"]);
      expect(JSON.parse(done.stdout)).to.deep.equal({
        dryRun: false,
        found: 2,
        revoked: 2,
        tenants: [tenant],
      });
      expect(await liveIn(tenant)).to.deep.equal([]);
      const again = await revokeAll(["--tenant", tenant, "--yes"]);
      expect(again).to.include({ code: 0, stdout: "revoked 0 sessions\n" });
    });

    it("does not revoke a session that is created after the preview began", async () => {
      const tenant = newTenant();
      const { id } = await openIn(tenant);
      let later: OpenedSession | undefined;
      const { code } = await revokeAll(["--tenant", tenant], {
        terminal: 80,
        stdin: "revoke\n",
        async onStderr(text) {
          if (text.includes("to go on: ")) later = await openIn(tenant);
        },
      });
      expect(code).to.equal(0);
      expect(await liveIn(tenant)).to.deep.equal([later?.id]);
      expect(later?.id).to.be.a("string").and.not.equal(id);
    });

    it("nor does it with --created-before a later time", async () => {
      const tenant = newTenant();
      await openIn(tenant);
      let later: OpenedSession | undefined;
      await revokeAll(["--tenant", tenant, "--created-before", "2099-01-01T00:00:00Z"], {
        terminal: 80,
        stdin: "revoke\n",
        async onStderr(text) {
          if (text.includes("to go on: ")) later = await openIn(tenant);
        },
      });
      expect(await liveIn(tenant)).to.deep.equal([later?.id]);
    });

    it("--actor revokes one actor's, but the one to keep", async () => {
      const actor = newActor();
      const [one, kept] = [
        await openSession(app.client, { actor }),
        await openSession(app.client, { actor }),
      ];
      const args = ["--actor", `user:${actor.actorId}`, "--keep", kept.id, "--json"];
      const preview = await revokeAll([...args, "--dry-run"]);
      expect(JSON.parse(preview.stdout)).to.deep.include({ found: 1, sample: [one.id] });
      const { stdout } = await revokeAll([...args, "--yes"]);
      expect(JSON.parse(stdout)).to.include({ revoked: 1 });
      const { sessions } = await app.client.list({ actor });
      expect(sessions.map(({ id }) => id)).to.deep.equal([kept.id]);
    });

    it("--everything revokes all, whatever this machine's clock says", async () => {
      const own = await startTestApp();
      try {
        await openSession(own.client, { actor: newActor({ tenantId: newTenant() }) });
        await openSession(own.client);
        const args = [
          "sessions",
          "revoke-all",
          "--reason",
          "leak",
          "--everything",
          "--yes",
          "--json",
        ];
        const { stdout } = await runCommand(args, {
          env: { SESSIOND_CLI_ADDRESS: own.url },
          now: () => Date.now() - 3_600_000,
        });
        expect(JSON.parse(stdout)).to.include({ found: 2, revoked: 2 });
      } finally {
        await own.stop();
      }
    });

    it("needs --yes where there is no terminal, and revokes nothing without it", async () => {
      const tenant = newTenant();
      const { id } = await openIn(tenant);
      const { code, stdout, stderr } = await revokeAll(["--tenant", tenant]);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.include(
        "there is no terminal to ask on: --yes confirms, --dry-run only looks",
      );
      expect(await liveIn(tenant)).to.deep.equal([id]);
    });

    it("asks on a terminal, and revokes nothing unless the word is right", async () => {
      const tenant = newTenant();
      const { id } = await openIn(tenant);
      for (const stdin of ["yes\n", "\n", ""]) {
        const { code, stderr } = await revokeAll(["--tenant", tenant], { terminal: 120, stdin });
        expect(code).to.equal(1);
        expect(stderr).to.include(id);
        expect(stderr).to.include(
          `This ends 1 session of tenant ${tenant}. Type revoke to go on: `,
        );
        expect(stderr).to.include("not confirmed: nothing was revoked");
        expect(await liveIn(tenant)).to.deep.equal([id]);
      }
      const { code } = await revokeAll(["--tenant", tenant], { terminal: 120, stdin: "revoke\n" });
      expect(code).to.equal(0);
      expect(await liveIn(tenant)).to.deep.equal([]);
    });

    it("goes on while there are more, and tells how far it is", async () => {
      const tenant = newTenant();
      const count = 1200;
      const { id } = await openIn(tenant);
      await app.sql(
        `INSERT INTO sessions SELECT (jsonb_populate_record(sessions, jsonb_build_object(
           'id', 'ses-' || substr(id, 5, 12) || lpad(to_hex(number), 32, '0')))).*
         FROM sessions, generate_series(1, $2) AS number WHERE id = $1`,
        [id, count - 1],
      );
      const args = ["--tenant", tenant, "--yes"];
      const notes: string[] = [];
      const onStderr = (text: string) => void notes.push(text);
      const { stdout, stderr } = await revokeAll(args, { terminal: 80, onStderr });
      expect(stdout, stderr).to.equal(`revoked ${count} sessions\n`);
      expect(notes.some((note) => /revoked \d+ of 1200/.test(note))).to.equal(true);
      expect(await liveIn(tenant)).to.deep.equal([]);
    });

    const script = findProgram("script");
    (script === undefined ? it.skip : it)("asks on a real terminal", async () => {
      const tenant = newTenant();
      const { id } = await openIn(tenant);
      const main = join(import.meta.dirname, "../../src/main.ts");
      const command = `${process.execPath} ${main} sessions revoke-all --reason leak --tenant ${tenant}`;
      const child = spawn(script as string, ["-qec", command, "/dev/null"], {
        env: { ...process.env, SESSIOND_CLI_ADDRESS: app.url },
      });
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (part.includes("to go on: ")) child.stdin.write("revoke\n");
      });
      const [code] = await once(child, "close");
      expect(code, text).to.equal(0);
      expect(text).to.include(id).and.include("revoked 1 session\r\n");
      expect(await liveIn(tenant)).to.deep.equal([]);
    });
  });
});
