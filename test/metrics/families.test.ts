import { once } from "node:events";
import http2 from "node:http2";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { FAMILIES } from "../../src/metrics/families.ts";
import { newActor, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import {
  clientOf,
  createTestFile,
  newToken,
  type TestFile,
  tokenLine,
  withToken,
} from "../support/callers.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until } from "../support/until.ts";
import { findPrometheus, promtool } from "./prometheus.ts";
import { type Scrape, scrape } from "./scrape.ts";

const SERVICE = "sessiond.v1.SessionService";
const VALIDATE = `${SERVICE}/Validate`;

describe("families of metrics", () => {
  let app: TestApp;
  let callers: TestFile;
  const tokens = { web: newToken(), admin: newToken() };

  before(async () => {
    callers = await createTestFile(
      tokenLine(tokens.web, { name: "web", role: "issuer" }),
      tokenLine(tokens.admin, { name: "ops", role: "admin" }),
    );
    app = await startTestApp({
      env: {
        SESSIOND_METRICS_PORT: "0",
        SESSIOND_CALLERS_FILE: callers.path,
      },
    });
  });

  after(async () => {
    await app.stop();
    await callers.remove();
  });

  const scraped = () => scrape(app.app.metricsPort);

  /** What a call changes of a value. */
  async function changeOf(
    name: string,
    labels: Readonly<Record<string, string>>,
    work: () => Promise<unknown>,
  ): Promise<number> {
    const read = ({ value }: Scrape) => value(name, labels) ?? 0;
    const before = read(await scraped());
    await work();
    return read(await scraped()) - before;
  }

  async function as<T>(
    token: string,
    work: (client: ReturnType<typeof clientOf>["client"]) => Promise<T>,
  ): Promise<T> {
    const { client, close } = clientOf(app.url, withToken(token));
    try {
      return await work(client);
    } finally {
      close();
    }
  }

  const failing = (call: Promise<unknown>) =>
    call.then(
      () => {
        throw new Error("it succeeded");
      },
      () => {},
    );

  it("J02: calls by method and code, with their time, whichever path serves them", async () => {
    await as(tokens.web, async (client) => {
      const { cookie } = await openSession(client);
      const ok = { rpc: VALIDATE, code: "OK" };
      const calls = await changeOf("sessiond_rpc_calls_total", ok, async () => {
        await validate(client, cookie);
        // Over HTTP/1.1 and in JSON: Connect's.
        const response = await fetch(`${app.url}/${VALIDATE}`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${tokens.web}` },
          body: JSON.stringify({ cookie }),
        });
        expect(response.status).to.equal(200);
      });
      expect(calls).to.equal(2);
      const timed = { rpc: VALIDATE };
      const times = "sessiond_rpc_duration_seconds_count";
      expect(await changeOf(times, timed, () => validate(client, cookie))).to.equal(1);
    });
    const unknown = { rpc: "_other", code: "UNIMPLEMENTED" };
    const requests = await changeOf("sessiond_rpc_calls_total", unknown, () =>
      fetch(`${app.url}/no.such.Service/Method`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      }),
    );
    expect(requests).to.equal(1);
  });

  it("J02: a request that is refused before any handler is counted, but has no time", async () => {
    const refused = { rpc: VALIDATE, code: "PERMISSION_DENIED" };
    const fromElsewhere = () =>
      fetch(`${app.url}/${VALIDATE}`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: "https://elsewhere.example" },
        body: "{}",
      });
    expect(await changeOf("sessiond_rpc_calls_total", refused, fromElsewhere)).to.equal(1);
    const times = "sessiond_rpc_duration_seconds_count";
    expect(await changeOf(times, { rpc: VALIDATE }, fromElsewhere)).to.equal(0);
  });

  it("J02: refusals by reason, and forged cookies, which a missing one is not", async () => {
    await as(tokens.web, async (client) => {
      const { cookie } = await openSession(client);
      const refused = { rpc: VALIDATE, reason: "INVALID_COOKIE" };
      const forged = `${cookie.slice(0, -4)}${cookie.endsWith("AAAA") ? "BBBB" : "AAAA"}`;
      const count = (value: string) => () => failing(validate(client, value));
      expect(await changeOf("sessiond_refusals_total", refused, count(forged))).to.equal(1);
      expect(await changeOf("sessiond_forged_cookies_total", {}, count(forged))).to.equal(1);
      expect(await changeOf("sessiond_forged_cookies_total", {}, count(""))).to.equal(0);
      expect(await changeOf("sessiond_forged_cookies_total", {}, count(cookie.slice(9)))).to.equal(
        0,
      );
    });
    const unauthenticated = { rpc: VALIDATE, reason: "CALLER_UNAUTHENTICATED" };
    const strangers = await changeOf("sessiond_refusals_total", unauthenticated, () =>
      failing(as(newToken(), (client) => validate(client, "x"))),
    );
    expect(strangers).to.equal(1);
  });

  it("J02: refusals by caller and limit", async () => {
    const file = await createTestFile(tokenLine(tokens.web, { name: "web", role: "issuer" }));
    const limited = await startTestApp({
      env: {
        SESSIOND_METRICS_PORT: "0",
        SESSIOND_CALLERS_FILE: file.path,
        SESSIOND_RATE_PER_CALLER: "1",
      },
    });
    const { client, close } = clientOf(limited.url, withToken(tokens.web));
    try {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 30 }, () => openSession(client)),
      );
      const refusals = outcomes.filter(({ status }) => status === "rejected").length;
      const { series } = await scrape(limited.app.metricsPort);
      expect(refusals).to.be.greaterThan(0);
      expect(series("sessiond_caller_refusals_total")).to.deep.equal([
        { labels: { caller: "web", limit: "SESSIOND_RATE_PER_CALLER" }, value: refusals },
      ]);
    } finally {
      close();
      await limited.stop();
      await file.remove();
    }
  });

  it("J02: batches with their sizes, queues, and what the database is used for", async () => {
    await as(tokens.web, async (client) => {
      const { cookie } = await openSession(client);
      const items = { statement: "find_by_cookie" };
      const validated = await changeOf("sessiond_batch_size_sum", items, () =>
        Promise.all(Array.from({ length: 20 }, () => validate(client, cookie))),
      );
      expect(validated).to.equal(20);
    });
    const { value, series } = await scraped();
    const count = value("sessiond_batch_size_count", { statement: "find_by_cookie" }) ?? 0;
    const sum = value("sessiond_batch_size_sum", { statement: "find_by_cookie" }) ?? 0;
    expect(count).to.be.lessThan(sum);
    expect(series("sessiond_queue_depth").map(({ labels }) => labels.queue)).to.have.members([
      ...["reads", "writes", "retries", "lock_waits", "management", "locks", "turns"],
      ...["find_by_cookie", "find_session", "find_successor", "find_signing_key"],
      ...["create_session", "touch_session", "revoke_session", "rotate_csrf"],
    ]);
    expect(value("sessiond_database_connections_max")).to.equal(10);
    expect(value("sessiond_database_connections", { state: "idle" })).to.be.greaterThan(0);
    expect(value("sessiond_database_up")).to.equal(1);
    expect(value("sessiond_database_last_answer_age_seconds")).to.be.within(0, 60);
  });

  it("J02: calls that a queue refuses, by cause", async () => {
    const { options } = app.app.storage.database;
    const { queueLimit, queueTimeoutMs } = options;
    const lock = await holdTransaction(app.database);
    // Read anew for each call.
    Object.assign(options, { queueLimit: 1, queueTimeoutMs: 50 });
    try {
      await lock.query("LOCK TABLE sessions");
      await as(tokens.web, async (client) => {
        let refused = 0;
        const calls = Array.from({ length: 10 }, () =>
          client.list({ actor: newActor() }).catch(() => {
            refused += 1;
          }),
        );
        // Two of them have the connections for lists.
        await until("the others are refused", async () => refused === 8);
        await lock.commit();
        await Promise.all(calls);
      });
    } finally {
      Object.assign(options, { queueLimit, queueTimeoutMs });
      await lock.end();
    }
    const { value } = await scraped();
    const queue = "management";
    expect(value("sessiond_queue_rejections_total", { queue, cause: "full" })).to.be.greaterThan(0);
    expect(value("sessiond_queue_rejections_total", { queue, cause: "timeout" })).to.be.greaterThan(
      0,
    );
    const limit = { caller: "web", limit: "queue" };
    expect(value("sessiond_caller_refusals_total", limit)).to.be.greaterThan(0);
  });

  it("J02: connections, streams, and clients that exceed a limit against floods", async () => {
    const session = http2.connect(app.url);
    session.on("error", () => {});
    await once(session, "remoteSettings");
    const { value } = await scraped();
    expect(value("sessiond_connections", { protocol: "http2" })).to.be.greaterThan(0);
    expect(value("sessiond_http2_streams")).to.equal(0);
    expect(value("sessiond_calls_in_flight")).to.equal(0);
    expect(value("sessiond_streaming_calls")).to.equal(0);
    while (!session.closed && !session.destroyed) {
      for (let i = 0; i < 100 && !session.closed && !session.destroyed; i += 1) {
        const stream = session.request({ ":method": "POST", ":path": `/${VALIDATE}` });
        stream.on("error", () => {});
        stream.close(http2.constants.NGHTTP2_CANCEL);
      }
      await nextTurn();
    }
    const violations = (await scraped())
      .series("sessiond_http2_budget_violations_total")
      .filter(({ value }) => value > 0);
    expect(violations).to.have.length(1);
    expect(violations[0]?.value).to.equal(1);
    expect(violations[0]?.labels.budget).to.be.oneOf(["resets", "rapid_resets"]);
  });

  it("J02: keys, the sweep, and what runs", async () => {
    await as(tokens.admin, async (client) => {
      const complete = { result: "complete" };
      const sweeps = await changeOf("sessiond_sweep_runs_total", complete, () =>
        client.garbageCollect({}),
      );
      expect(sweeps).to.equal(1);
    });
    const { value, series } = await scraped();
    expect(value("sessiond_sweep_deleted_total", { part: "sessions" })).to.equal(0);
    expect(value("sessiond_sweep_last_success_timestamp_seconds")).to.be.closeTo(
      Date.now() / 1000,
      60,
    );
    expect(value("sessiond_sweep_duration_seconds")).to.be.within(0, 60);
    await until("the ages of keys are read", async () => {
      return (await scraped()).value("sessiond_signing_keys", { state: "active" }) === 1;
    });
    const keys = await scraped();
    expect(keys.value("sessiond_signing_keys", { state: "unreadable" })).to.equal(0);
    expect(keys.value("sessiond_signing_key_age_seconds", { key: "oldest" })).to.be.within(0, 600);
    const [build] = series("sessiond_build_info");
    expect(build?.labels).to.include({ node: process.versions.node, commit: "unknown" });
    const loop = { worker: "1", statistic: "max" };
    await until("timers have run", async () => {
      return (await scraped()).value("sessiond_event_loop_delay_seconds", loop) !== undefined;
    });
    expect(value("sessiond_workers")).to.equal(1);
    expect(value("sessiond_worker_up", { worker: "1" })).to.equal(1);
    expect(value("sessiond_audit_events_dropped_total")).to.equal(0);
    expect(value("process_resident_memory_bytes")).to.be.greaterThan(10_000_000);
  });

  it("J02: every family that is described is there", async () => {
    const { text } = await scraped();
    const described = Object.values(FAMILIES).map(({ name, type }) => `# TYPE ${name} ${type}`);
    const found = text.split("\n").filter((line) => line.startsWith("# TYPE sessiond_"));
    expect(found.sort()).to.deep.equal(described.sort());
  });

  it("J03: promtool finds nothing to object to", async function () {
    const program = findPrometheus("promtool");
    if (program === undefined) this.skip();
    const { text } = await scraped();
    expect(promtool(program, ["check", "metrics"], text)).to.deep.equal({ status: 0, output: "" });
    const wrong = `${text}# TYPE calls counter\ncalls 1\n`;
    expect(promtool(program, ["check", "metrics"], wrong).status, "a control").not.to.equal(0);
  });
});
