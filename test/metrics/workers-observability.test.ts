import { expect } from "chai";
import { pino } from "pino";
import { loadConfig } from "../../src/config/config.ts";
import type { Document } from "../../src/metrics/listener.ts";
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

  it("503 at once when the last worker ends before it has answered, then the next one's set (H03)", async () => {
    await open(TOKENS_ENV);
    serve(1, 1);
    serve(2, 2);
    const answer = documentOf;
    const asked = Promise.withResolvers<void>();
    documentOf = () => {
      asked.resolve();
      return undefined;
    };
    const waiting = get(JWKS_PATH);
    await asked.promise;
    end(1);
    end(2);
    documentOf = answer;
    serve(3, 1);
    // It does not wait for those that have ended.
    expect(await get(JWKS_PATH)).to.include({ status: 200 });
    expect(await waiting).to.include({ status: 503, text: "no worker answers\n" });
  });

  it("no JSON Web Key Set without tokens (H03)", async () => {
    await open();
    serve(1, 1);
    expect((await get(JWKS_PATH)).status).to.equal(404);
  });
});

describe("documents of workers", () => {
  const document = (text: string, status = 200) => ({
    status,
    headers: {},
    body: Buffer.from(text),
  });
  const textOf = async (answer: Promise<Document>) => {
    const { status, body } = await answer;
    return `${status} ${body}`;
  };

  /** Two workers that answer when the test says so, by a clock that the test moves. */
  function documentsOf({ answerMs = 600_000 } = {}) {
    const world = { clock: 0, workers: [1, 2], asked: [] as { request: number; path: string }[] };
    const documents = new WorkerDocuments({
      serving: () => world.workers,
      ask: (request, path) => world.asked.push({ request, path }),
      clock: () => world.clock,
      answerMs,
    });
    const last = () => world.asked.at(-1)?.request ?? 0;
    return { documents, world, last };
  }

  it("are those of the first that answers, each to the request that it is for (H03)", async () => {
    const { documents, world } = documentsOf();
    const { asked } = world;
    const [one, other] = [documents.get("/one"), documents.get("/other")];
    expect(asked.map(({ path }) => path)).to.deep.equal(["/one", "/other"]);
    documents.received(1, asked[1]?.request ?? 0, document("other"));
    documents.received(2, asked[0]?.request ?? 0, document("first"));
    documents.received(1, asked[0]?.request ?? 0, document("second"));
    expect(await textOf(one)).to.equal("200 first");
    expect(await textOf(other)).to.equal("200 other");
    documents.received(1, asked[0]?.request ?? 0, document("too late"));
    expect(await textOf(documents.get("/one"))).to.equal("200 first");
  });

  it("are asked for once for many requests, and again a second after the answer (H03)", async () => {
    const { documents, world, last } = documentsOf();
    const answers = Array.from({ length: 100 }, () => documents.get("/keys"));
    expect(world.asked).to.have.length(1);
    world.clock = 500;
    documents.received(1, last(), document("first"));
    for (const answer of answers) expect(await textOf(answer)).to.equal("200 first");
    world.clock = 1499;
    expect(await textOf(documents.get("/keys"))).to.equal("200 first");
    expect(world.asked).to.have.length(1);
    world.clock = 1500;
    const next = documents.get("/keys");
    expect(world.asked).to.have.length(2);
    documents.received(2, last(), document("next"));
    expect(await textOf(next)).to.equal("200 next");
  });

  it("are those of a worker that has them, also if another one refuses first (H03)", async () => {
    const { documents, last } = documentsOf();
    const answer = documents.get("/keys");
    documents.received(1, last(), document("no keys", 503));
    documents.received(2, last(), document("keys"));
    expect(await textOf(answer)).to.equal("200 keys");
  });

  it("are the refusal of a worker if no one else has them, has answered in time or is left (H03)", async () => {
    const all = documentsOf();
    const refusedByAll = all.documents.get("/keys");
    all.documents.received(1, all.last(), document("no keys", 503));
    all.documents.received(1, all.last(), document("of the same", 503));
    all.documents.received(2, all.last(), document("none either", 503));
    expect(await textOf(refusedByAll)).to.equal("503 no keys");

    const hanging = documentsOf({ answerMs: 1 });
    const refusedByOne = hanging.documents.get("/keys");
    hanging.documents.received(2, hanging.last(), document("no keys", 503));
    expect(await textOf(refusedByOne)).to.equal("503 no keys");

    const ending = documentsOf();
    const refusedByLast = ending.documents.get("/keys");
    ending.documents.received(2, ending.last(), document("no keys", 503));
    ending.documents.ended(1);
    expect(await textOf(refusedByLast)).to.equal("503 no keys");
  });

  it("are 503 at once when the last worker ends, or the port is closed, while one waits (H03)", async () => {
    const { documents, world } = documentsOf();
    const waiting = documents.get("/keys");
    documents.ended(1);
    world.workers = [2];
    const another = documents.get("/keys");
    expect(world.asked).to.have.length(1);
    documents.ended(2);
    world.workers = [];
    for (const answer of [waiting, another]) {
      expect(await textOf(answer)).to.equal("503 no worker answers\n");
    }
    world.workers = [3];
    const closed = documents.get("/keys");
    expect(world.asked).to.have.length(2);
    documents[Symbol.dispose]();
    expect(await textOf(closed)).to.equal("503 no worker answers\n");
  });

  it("are 503 if no worker answers in time, and are asked for again then (H03)", async () => {
    const { documents, world } = documentsOf({ answerMs: 1 });
    expect(await textOf(documents.get("/keys"))).to.equal("503 no worker answers\n");
    expect(await textOf(documents.get("/keys"))).to.equal("503 no worker answers\n");
    expect(world.asked).to.have.length(2);
  });
});

describe("a primary without a port for metrics", () => {
  it("J01: serves nothing for its workers", async () => {
    const options = { config: configOf({}), log };
    expect(await openWorkersObservability(options, () => {})).to.equal(undefined);
  });
});
