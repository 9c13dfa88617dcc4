import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { expect } from "chai";
import { AuditEventSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import { pagesInOrder } from "../../src/cli/audit-pages.ts";
import { newActor, newTenant, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { type CommandOptions, jsonLines, runCommand } from "../support/command-line.ts";
import { until } from "../support/until.ts";

/** 25 pages. */
const EVENTS = 5000;
const EVENT_BYTES = 12_000;
/** The command takes 33 MB without events. A page of them is 2.4 MB, all of them are 60 MB. */
const MAX_HEAP_MB = 80;

describe("the pages of audit events (L05)", () => {
  /** Reads scripted pages, given as their numbers of events, and notes what happens in order. */
  async function read(isEndless: boolean, pages: readonly (readonly [string, number])[]) {
    const steps: string[] = [];
    const left = pages.entries();
    const paging = pagesInOrder({
      isEndless,
      async fetch(pageToken) {
        const { value } = left.next();
        if (value === undefined) throw new Error("end of the script");
        const [index, [nextPageToken, count]] = value;
        expect(pageToken).to.equal(pages[index - 1]?.[0] ?? "");
        steps.push("fetch");
        const auditEvents = Array.from({ length: count }, () => create(AuditEventSchema));
        return { auditEvents, nextPageToken };
      },
      async pause(ms) {
        steps.push(`pause ${ms}`);
      },
    });
    const ended = (async () => {
      for await (const events of paging) {
        // What the consumer does with a page takes time.
        await setImmediate();
        steps.push(`wrote ${events.length}`);
      }
    })();
    const error: unknown = await ended.then(
      () => undefined,
      (reason) => reason,
    );
    if (error !== undefined) expect(error).to.include({ message: "end of the script" });
    return { steps, isEnded: error === undefined };
  }

  it("are fetched one by one, at once after a full page", async () => {
    const { steps, isEnded } = await read(false, [
      ["a", 200],
      ["b", 200],
      ["", 7],
    ]);
    expect(steps).to.deep.equal([
      ...["fetch", "wrote 200"],
      ...["fetch", "wrote 200"],
      ...["fetch", "wrote 7"],
    ]);
    expect(isEnded).to.equal(true);
  });

  it("are never asked for in a tight loop", async () => {
    const pages = [
      ["a", 0],
      ["b", 199],
      ["b", 0],
      ["c", 200],
    ] as const;
    const steps = (partial: number) => [
      ...["fetch", "wrote 0", `pause ${partial}`],
      ...["fetch", "wrote 199", `pause ${partial}`],
      ...["fetch", "wrote 0", "pause 1000"],
      ...["fetch", "wrote 200"],
    ];
    const ranged = await read(false, [...pages, ["", 0]]);
    expect(ranged.steps).to.deep.equal([...steps(100), "fetch", "wrote 0"]);
    const endless = await read(true, pages);
    expect(endless).to.deep.equal({ steps: steps(1000), isEnded: false });
  });
});

describe("sessiond audit export (L05)", () => {
  let app: TestApp;
  let directory: string;
  let ids: readonly string[];

  before(async () => {
    // Readers are behind by as much.
    app = await startTestApp({ env: { SESSIOND_DATABASE_STATEMENT_TIMEOUT: "1s" } });
    directory = await mkdtemp(join(tmpdir(), "sessiond-export-"));
    // Over ten hours, until one hour ago.
    await app.sql(
      `INSERT INTO audit_events (occurred_at, category, action, acting_actor_id, calling_service,
         tenant_id, resource_type, resource_id, details)
       SELECT date_trunc('milliseconds', now()) - interval '11 hours'
           + number * interval '10 hours' / $1::integer,
         'auth', 'auth.session_revoked', 'ada', '', 'default', 'session', 'ses-' || number,
         jsonb_build_object('text', repeat('x', $2::integer))
       FROM generate_series(0, $1 - 1) AS number`,
      [EVENTS, EVENT_BYTES],
    );
    const rows = await app.sql<{ id: string }>(
      "SELECT id FROM audit_events WHERE resource_id LIKE 'ses-%' AND details ? 'text' ORDER BY id",
    );
    ids = rows.map(({ id }) => id);
  });
  after(async () => {
    await app.stop();
    await rm(directory, { recursive: true });
  });

  const run = (args: readonly string[], options: CommandOptions = {}) =>
    runCommand(["audit", "export", ...args], {
      ...options,
      env: { SESSIOND_CLI_ADDRESS: app.url, ...options.env },
    });
  const idsIn = (text: string) => jsonLines(text).map(({ id }) => id);
  const timeOf = async (place: number) => {
    const [row] = await app.sql<{ occurred_at: Date }>(
      "SELECT occurred_at FROM audit_events WHERE id = $1",
      [ids[place]],
    );
    return row?.occurred_at.toISOString() ?? "";
  };

  it("writes the events of a time range, oldest first, each once", async () => {
    const [since, end] = [await timeOf(1000), await timeOf(2000)];
    const { code, stdout, stderr } = await run(["--since", since, "--until", end]);
    expect(code, stderr).to.equal(0);
    expect(idsIn(stdout)).to.deep.equal(ids.slice(1000, 2000));
    const [first] = jsonLines(stdout);
    expect(first).to.include({ action: "auth.session_revoked", actingActorId: "ada" });
  });

  it("takes little memory, and goes on after a kill with no event twice or missing", async () => {
    const path = join(directory, "events.jsonl");
    const main = join(import.meta.dirname, "../../src/main.ts");
    const start = (...args: readonly string[]): ChildProcess =>
      spawn(
        process.execPath,
        [
          `--max-old-space-size=${MAX_HEAP_MB}`,
          main,
          ...["audit", "export", "--since", "12h", "--until", "30m", "--output", path],
          ...args,
        ],
        { env: { ...process.env, SESSIOND_CLI_ADDRESS: app.url }, stdio: "inherit" },
      );
    const size = async () => (existsSync(path) ? (await stat(path)).size : 0);
    const lastId = async () => idsIn(await wholeLines(path)).at(-1) as string;

    const killed = start();
    const ended = once(killed, "close");
    await until("it has written a part", async () => (await size()) > 10_000_000);
    killed.kill("SIGKILL");
    await ended;
    // As if the kill had come in the middle of a line.
    await truncate(path, (await size()) - 5);
    const [code] = await once(start("--after", await lastId()), "close");
    expect(code).to.equal(0);
    expect(idsIn(await readFile(path, "utf8"))).to.deep.equal(ids);
  });

  it("says after an interruption with what it goes on", async () => {
    const range = ["--since", await timeOf(4000), "--until", "30m"];
    let interrupt: (exitCode: number) => void = () => {};
    const interrupted = await run(range, {
      onStart: (call) => {
        interrupt = call;
      },
      onStdout: () => interrupt(130),
    });
    expect(interrupted.code).to.equal(130);
    const before = idsIn(interrupted.stdout);
    const last = before.at(-1) as string;
    expect(interrupted.stderr).to.equal(`interrupted: --after ${last} goes on\n`);
    const { stdout } = await run([...range, "--after", last]);
    expect([...before, ...idsIn(stdout)]).to.deep.equal(ids.slice(4000));
  });

  it("does not overwrite a file, and goes on only behind its last event", async () => {
    const path = join(directory, "other.jsonl");
    await writeFile(path, '{"id":"17","action":"a"}\n');
    for (const [args, message] of [
      [[], "exists: name another file, or go on with --after"],
      [["--after", "16"], "is 17, not 16: with another --after, events would be missing or twice"],
    ] as const) {
      const { code, stderr } = await run(["--since", "1m", "--output", path, ...args]);
      expect(code).to.equal(2);
      expect(stderr).to.include(message);
    }
    expect(await readFile(path, "utf8")).to.equal('{"id":"17","action":"a"}\n');
    const missing = await run([
      "--since",
      "1m",
      "--output",
      join(directory, "none"),
      "--after",
      "1",
    ]);
    expect(missing.stderr).to.include("cannot be written (ENOENT): leave --after out to begin");
  });

  it("audit tail --follow shows each event that comes, once", async () => {
    const tenant = newTenant();
    const actor = newActor({ tenantId: tenant });
    await openSession(app.client, { actor });
    let interrupt: (exitCode: number) => void = () => {};
    let shown = "";
    const following = runCommand(["audit", "tail", "--follow", "--tenant", tenant, "--json"], {
      env: { SESSIOND_CLI_ADDRESS: app.url },
      onStart: (call) => {
        interrupt = call;
      },
      onStdout: (text) => {
        shown += text;
      },
    });
    const count = async () => {
      const { auditEvents } = await app.client.listAuditEvents({ tenantId: tenant, pageSize: 200 });
      return auditEvents.map(({ id }) => String(id)).reverse();
    };
    await until("the first events are shown", async () => shown !== "");
    await openSession(app.client, { actor });
    await openSession(app.client, { actor });
    const expected = await count();
    await until("the new ones are shown", async () => jsonLines(shown).length >= expected.length);
    interrupt(130);
    expect((await following).code).to.equal(130);
    expect(idsIn(shown)).to.deep.equal(expected);
  });
});

async function wholeLines(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  return text.slice(0, text.lastIndexOf("\n") + 1);
}
