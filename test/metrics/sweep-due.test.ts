import { expect } from "chai";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until } from "../support/until.ts";
import { scrape } from "./scrape.ts";

const DUE = "sessiond_sweep_due_timestamp_seconds";
/** As test/sweep/sweep-runs.test.ts has it. */
const SWEEP_LOCK = 7_361_512_002;
const withMetrics = {
  SESSIOND_METRICS_PORT: "0",
  SESSIOND_SWEEP_JITTER: "0s",
  SESSIOND_SWEEP_TIME_LIMIT: "10s",
};

describe("the metric of when a sweep is due", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({ env: withMetrics });
  });
  after(() => app?.stop());

  async function withSchedule(
    schedule: string,
    test: (replica: Awaited<ReturnType<typeof startReplica>>) => Promise<void>,
  ): Promise<void> {
    const env = { ...withMetrics, SESSIOND_SWEEP_SCHEDULE: schedule };
    const replica = await startReplica(app.database.url, { env });
    await test(replica).finally(() => replica.stop());
  }

  it("J02: is absent without a schedule, also after a sweep by a call", async () => {
    await app.client.garbageCollect({});
    const { value } = await scrape(app.app.metricsPort);
    expect(value("sessiond_sweep_last_success_timestamp_seconds")).to.be.a("number");
    expect(value(DUE)).to.equal(undefined);
  });

  it("J02: is the next time of the schedule, with the time limit, from the start on", async () => {
    const nextYear = new Date(new Date().getFullYear() + 1, 0, 1).getTime() / 1000;
    await withSchedule("0 0 1 1 *", async (replica) => {
      const { value } = await scrape(replica.app.metricsPort);
      expect(value(DUE)).to.equal(nextYear + 10);
    });
  });

  it("J02: moves on with sweeps that succeed, and not with those that fail or are skipped", async () => {
    await withSchedule("* * * * * *", async (replica) => {
      const scraped = () => scrape(replica.app.metricsPort);
      const runsOf = async (result: string) =>
        (await scraped()).value("sessiond_sweep_runs_total", { result }) ?? 0;
      const due = async () => (await scraped()).value(DUE) ?? 0;

      /** Two more sweeps with the result, which begin at different times of the schedule. */
      async function expectNotToMove(result: string): Promise<void> {
        const before = await runsOf(result);
        await until(`a sweep is ${result}`, async () => (await runsOf(result)) > before);
        const since = await due();
        await until(`two more are ${result}`, async () => (await runsOf(result)) > before + 2);
        expect(await due(), result).to.equal(since);
      }

      const first = await due();
      await until("a sweep succeeds", async () => (await due()) > first);
      await app.sql("ALTER TABLE audit_events RENAME TO audit_events_away");
      try {
        await expectNotToMove("failed");
      } finally {
        await app.sql("ALTER TABLE audit_events_away RENAME TO audit_events");
      }
      const holder = await holdTransaction(app.database);
      try {
        await holder.query("SELECT pg_advisory_xact_lock($1)", [SWEEP_LOCK]);
        await expectNotToMove("skipped");
      } finally {
        await holder.end();
      }
      const last = await due();
      await until("one succeeds again", async () => (await due()) > last);
    });
  });

  it("J02: a sweep that its caller gives up is cancelled, and has neither failed nor succeeded", async () => {
    const replica = await startReplica(app.database.url, { env: withMetrics });
    const holder = await holdTransaction(app.database);
    try {
      const runs = async (result: string) =>
        (await scrape(replica.app.metricsPort)).value("sessiond_sweep_runs_total", { result });
      await holder.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
      const caller = new AbortController();
      const call = replica.client.garbageCollect({}, { signal: caller.signal }).catch(String);
      await until("the sweep waits for the table", async () => {
        const [row] = await app.sql<{ waits: boolean }>(
          "SELECT $1 IN (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity) AS waits",
          [holder.pid],
        );
        return row?.waits === true;
      });
      expect(await runs("cancelled"), "before").to.equal(0);
      caller.abort();
      await call;
      await until(
        "the sweep ends",
        async () => ((await runs("cancelled")) ?? 0) + ((await runs("failed")) ?? 0) > 0,
      );
      expect([await runs("cancelled"), await runs("failed")]).to.deep.equal([1, 0]);
      const { value } = await scrape(replica.app.metricsPort);
      expect(value("sessiond_sweep_last_success_timestamp_seconds")).to.equal(undefined);
      expect(value("sessiond_sweep_duration_seconds")).to.equal(undefined);
    } finally {
      await holder.end();
      await replica.stop();
    }
  });

  it("J02: a GarbageCollect that its caller may not ask for is no failed sweep", async () => {
    const token = newToken();
    const line = tokenLine(token, { name: "shop", role: "admin", tenants: ["acme"] });
    const file = await createTestFile(line);
    const env = { ...withMetrics, SESSIOND_CALLERS_FILE: file.path };
    const replica = await startReplica(app.database.url, { env });
    const caller = clientOf(replica.url, withToken(token));
    try {
      await expectFailure(caller.client.garbageCollect({}), "CALLER_FORBIDDEN");
      const { value } = await scrape(replica.app.metricsPort);
      for (const result of ["failed", "cancelled"]) {
        expect(value("sessiond_sweep_runs_total", { result }), result).to.equal(0);
      }
    } finally {
      caller.close();
      await replica.stop();
      await file.remove();
    }
  });
});
