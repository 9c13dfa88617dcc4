import { expect } from "chai";
import { expose } from "../../src/metrics/exposition.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { lasting, merge, type Snapshot } from "../../src/metrics/snapshot.ts";
import { WorkerSnapshots } from "../../src/metrics/worker-snapshots.ts";
import { parseScrape, type Scrape } from "./scrape.ts";

const build = { version: "1.2.3", node: "24.0.0", commit: "unknown" };
const VALIDATE = "sessiond.v1.SessionService/Validate";
const CALLS = "sessiond_rpc_calls_total";

async function scrapeOf(snapshot: Snapshot): Promise<Scrape> {
  return parseScrape((await expose(snapshot, undefined)).body.toString());
}

describe("snapshots of several processes", () => {
  let workers: Metrics[];

  beforeEach(() => {
    workers = [1, 2].map((worker) => new Metrics({ build, worker }));
  });

  afterEach(() => {
    for (const worker of workers) worker[Symbol.dispose]();
  });

  it("add counters and histograms, and merge each gauge as its family says", async () => {
    for (const [index, worker] of workers.entries()) {
      worker.meter.method(VALIDATE).ended(undefined, 3);
      worker.meter.method(VALIDATE).ended(16, 300);
      worker.batch("find_session", 3);
      worker.addSources({
        isDatabaseUp: () => index === 0,
        lastAnswerAgeSeconds: () => index,
        certificateExpiresAt: () => 1000 * (index + 1),
        auditEventsDropped: () => 2,
      });
    }
    const snapshots = await Promise.all(workers.map((worker) => worker.snapshot()));
    // As they cross the channel between processes.
    const merged = await merge(JSON.parse(JSON.stringify(snapshots)));
    const { value, series } = await scrapeOf(merged);
    expect(value(CALLS, { rpc: VALIDATE, code: "OK" })).to.equal(2);
    expect(value(CALLS, { rpc: VALIDATE, code: "UNAUTHENTICATED" })).to.equal(2);
    expect(value("sessiond_rpc_duration_seconds_count", { rpc: VALIDATE })).to.equal(4);
    const fast = { rpc: VALIDATE, le: "0.005" };
    expect(value("sessiond_rpc_duration_seconds_bucket", fast)).to.equal(2);
    expect(value("sessiond_batch_size_sum", { statement: "find_session" })).to.equal(6);
    expect(value("sessiond_database_up")).to.equal(0);
    expect(value("sessiond_database_last_answer_age_seconds")).to.equal(1);
    expect(value("sessiond_tls_certificate_expiry_timestamp_seconds")).to.equal(1);
    expect(value("sessiond_audit_events_dropped_total")).to.equal(4);
    expect(value("sessiond_build_info", build)).to.equal(1);
    expect(series("process_start_time_seconds")).to.have.length(1);
    expect(merged.native).to.have.length(1);
    const [native] = merged.native;
    expect(native?.buckets.map(([, count]) => count)).to.deep.equal([2, 2]);
  });

  it("keep of a process that has ended what may not fall, and no gauge of what it had open", async () => {
    const [worker] = workers as [Metrics];
    worker.meter.method(VALIDATE).ended(undefined, 3);
    worker.addSources({ isDatabaseUp: () => true });
    worker.sweepEnded({ result: "complete", deleted: { sessions: 3 }, durationMs: 5 });
    const { value } = await scrapeOf(lasting(await worker.snapshot()));
    expect(value(CALLS, { rpc: VALIDATE, code: "OK" })).to.equal(1);
    expect(value("sessiond_sweep_deleted_total", { part: "sessions" })).to.equal(3);
    expect(value("sessiond_sweep_last_success_timestamp_seconds")).to.be.a("number");
    expect(value("sessiond_database_up")).to.equal(undefined);
    expect(value("sessiond_sweep_duration_seconds")).to.equal(undefined);
  });
});

describe("collections from workers", () => {
  const metrics = new Map<number, Metrics>();
  /** Those that do not answer. */
  const stuck = new Set<number>();
  let snapshots: WorkerSnapshots;

  beforeEach(() => {
    snapshots = new WorkerSnapshots({
      answerMs: 20,
      ask(collection) {
        for (const [id, worker] of metrics) {
          if (stuck.has(id)) continue;
          void worker.snapshot().then((own) => snapshots.received(id, collection, own));
        }
      },
    });
  });

  afterEach(() => {
    for (const worker of metrics.values()) worker[Symbol.dispose]();
    metrics.clear();
    stuck.clear();
  });

  function startWorker(id: number, number: number): Metrics {
    const worker = new Metrics({ build, worker: number });
    metrics.set(id, worker);
    snapshots.serving(id, number);
    return worker;
  }

  const calls = async () => {
    const { value } = await scrapeOf(await snapshots.collect());
    return value(CALLS, { rpc: VALIDATE, code: "OK" });
  };

  function countCalls(worker: Metrics, count: number): void {
    for (let i = 0; i < count; i += 1) worker.meter.method(VALIDATE).ended(undefined, 1);
  }

  it("J07: the sum never falls, whether a worker hangs, ends or is replaced", async () => {
    countCalls(startWorker(1, 1), 5);
    const second = startWorker(2, 2);
    countCalls(second, 7);
    expect(await calls()).to.equal(12);

    stuck.add(2);
    countCalls(second, 100);
    expect(await calls(), "one hangs").to.equal(12);
    expect([...snapshots.up]).to.deep.equal([
      [1, true],
      [2, false],
    ]);
    stuck.delete(2);
    expect(await calls(), "it answers again").to.equal(112);

    metrics.get(2)?.[Symbol.dispose]();
    metrics.delete(2);
    snapshots.ended(2);
    expect(await calls(), "it has ended").to.equal(112);
    countCalls(startWorker(3, 2), 1);
    expect(await calls(), "another one is in its place").to.equal(113);
    expect([...snapshots.up.values()]).to.deep.equal([true, true]);
  });

  it("counts what a worker sends when it ends, and asks once for all who ask together", async () => {
    const worker = startWorker(1, 1);
    countCalls(worker, 1);
    const [one, other] = [snapshots.collect(), snapshots.collect()];
    expect(one).to.equal(other);
    await one;
    countCalls(worker, 1);
    snapshots.received(1, 0, await worker.snapshot());
    snapshots.ended(1);
    metrics.delete(1);
    worker[Symbol.dispose]();
    expect(await calls()).to.equal(2);
  });
});
