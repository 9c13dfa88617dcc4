import { expect } from "chai";
import { pino } from "pino";
import { loadConfig } from "../../src/config/config.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { WorkerDocuments } from "../../src/metrics/worker-documents.ts";
import { JWKS_PATH } from "../../src/token-keys.ts";
import type { ToWorker } from "../../src/worker-messages.ts";
import {
  openWorkersObservability,
  type WorkersObservability,
} from "../../src/workers-observability.ts";
import { TOKENS_ENV } from "../support/tokens.ts";
import { scrape } from "./scrape.ts";

const VALIDATE = "sessiond.v1.SessionService/Validate";
const OK = { rpc: VALIDATE, code: "OK" };
const build = { version: "1.2.3", node: "24.0.0", commit: "unknown" };
const log = pino({ level: "silent" });

function configOf(env: Readonly<Record<string, string>>) {
  return loadConfig({
    SESSIOND_DATABASE_URL: "postgres://localhost/unused",
    SESSIOND_KEY_ENCRYPTION_KEYS: Buffer.alloc(32, 7).toString("base64"),
    SESSIOND_WORKERS: "2",
    ...env,
  });
}

describe("what the primary serves for its workers", () => {
  let primary: WorkersObservability;
  const workers = new Map<number, Metrics>();
  /** What the workers answer for a path. */
  let documentOf: (path: string) => string | undefined;

  /** As workers answer. */
  function tell(message: ToWorker): void {
    for (const [id, metrics] of workers) {
      if (message.type === "metrics") {
        const { collection } = message;
        void metrics
          .snapshot()
          .then((snapshot) => primary.received(id, { type: "metrics", collection, snapshot }));
      } else if (message.type === "document") {
        const { request } = message;
        const body = documentOf(message.path);
        if (body === undefined) continue;
        const document = { status: 200, headers: { "cache-control": "public" }, body };
        primary.received(id, { type: "document", request, document });
      }
    }
  }

  async function open(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const config = configOf({ SESSIOND_METRICS_PORT: "0", ...env });
    const opened = await openWorkersObservability({ config, log, droppedLogLines: () => 3 }, tell);
    expect(opened).not.to.equal(undefined);
    primary = opened as WorkersObservability;
  }

  function serve(id: number, number: number): Metrics {
    const metrics = new Metrics({ build, worker: number });
    workers.set(id, metrics);
    primary.serving(id, number);
    primary.received(id, { type: "readiness", state: { isReady: true } });
    return metrics;
  }

  function end(id: number): void {
    workers.get(id)?.[Symbol.dispose]();
    workers.delete(id);
    primary.ended(id, true);
  }

  async function get(path: string) {
    const response = await fetch(`http://127.0.0.1:${primary.metricsPort}${path}`);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  beforeEach(() => {
    documentOf = (path) => (path === JWKS_PATH ? '{"keys":[]}' : undefined);
  });

  afterEach(async () => {
    await primary[Symbol.asyncDispose]();
    for (const metrics of workers.values()) metrics[Symbol.dispose]();
    workers.clear();
  });

  it("J07: the sum of all, and which of them are up", async () => {
    await open();
    serve(1, 1).meter.method(VALIDATE).ended(undefined, 1);
    const { value } = await scrape(primary.metricsPort);
    expect(value("sessiond_rpc_calls_total", OK)).to.equal(1);
    expect(value("sessiond_workers")).to.equal(2);
    expect(value("sessiond_worker_up", { worker: "1" })).to.equal(1);
    expect(value("sessiond_worker_up", { worker: "2" })).to.equal(0);
    expect(value("sessiond_log_lines_dropped_total")).to.equal(3);

    serve(2, 2);
    end(1);
    const later = await scrape(primary.metricsPort);
    expect(later.value("sessiond_rpc_calls_total", OK)).to.equal(1);
    expect(later.value("sessiond_worker_up", { worker: "1" })).to.equal(0);
    expect(later.value("sessiond_worker_up", { worker: "2" })).to.equal(1);
    expect(later.value("sessiond_worker_restarts_total")).to.equal(1);
  });

  it("J08: ready while one of them is, or else the reason of the first", async () => {
    await open();
    expect(await get("/readyz")).to.include({ status: 503, text: "no worker serves\n" });
    serve(1, 1);
    serve(2, 2);
    primary.received(1, { type: "readiness", state: { isReady: false, reason: "draining" } });
    expect(await get("/readyz")).to.include({ status: 200 });
    expect((await scrape(primary.metricsPort)).value("sessiond_ready")).to.equal(1);
    primary.received(2, { type: "readiness", state: { isReady: false, reason: "another" } });
    expect(await get("/readyz")).to.include({ status: 503, text: "draining\n" });
    expect((await scrape(primary.metricsPort)).value("sessiond_ready")).to.equal(0);
  });

  it("the JSON Web Key Set of a worker, or 503 while none serves (H03)", async () => {
    await open(TOKENS_ENV);
    const none = await get(JWKS_PATH);
    expect(none).to.include({ status: 503, text: "no worker answers\n" });
    expect(none.headers.get("cache-control")).to.equal("no-store");
    expect(none.headers.get("retry-after")).to.equal("1");
    serve(1, 1);
    serve(2, 2);
    const set = await get(JWKS_PATH);
    expect(set).to.include({ status: 200, text: '{"keys":[]}' });
    expect(set.headers.get("cache-control")).to.equal("public");
  });

  it("no JSON Web Key Set without tokens (H03)", async () => {
    await open();
    serve(1, 1);
    expect((await get(JWKS_PATH)).status).to.equal(404);
  });
});

describe("documents of workers", () => {
  const document = (text: string) => ({ status: 200, headers: {}, body: Buffer.from(text) });

  it("are those of the first that answers, each to the request that it is for", async () => {
    const asked: { request: number; path: string }[] = [];
    const documents = new WorkerDocuments({
      isServed: () => true,
      ask: (request, path) => asked.push({ request, path }),
    });
    const [one, other] = [documents.get("/one"), documents.get("/other")];
    expect(asked.map(({ path }) => path)).to.deep.equal(["/one", "/other"]);
    documents.received(asked[1]?.request ?? 0, document("other"));
    documents.received(asked[0]?.request ?? 0, document("first"));
    documents.received(asked[0]?.request ?? 0, document("second"));
    expect((await one).body.toString()).to.equal("first");
    expect((await other).body.toString()).to.equal("other");
    documents.received(asked[0]?.request ?? 0, document("too late"));
  });

  it("are 503 if no worker answers in time", async () => {
    const documents = new WorkerDocuments({ isServed: () => true, ask: () => {}, answerMs: 1 });
    expect(await documents.get("/keys")).to.deep.include({ status: 503 });
  });
});

describe("a primary without a port for metrics", () => {
  it("J01: serves nothing for its workers", async () => {
    const options = { config: configOf({}), log };
    expect(await openWorkersObservability(options, () => {})).to.equal(undefined);
  });
});
