import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { pino } from "pino";
import type { Document, MetricsListener } from "../../src/metrics/listener.ts";
import { serveMetrics } from "../../src/observability.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { createTestDatabase } from "../support/database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { until } from "../support/until.ts";
import { scrape } from "./scrape.ts";

const METRICS = { SESSIOND_METRICS_PORT: "0" };

describe("the port of the metrics", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp({ env: METRICS });
  });

  after(() => app.stop());

  const urlOf = (path: string) => `http://127.0.0.1:${app.app.metricsPort}${path}`;

  it("J01: serves the metrics as text, or compressed, on a port of its own", async () => {
    const plain = await fetch(urlOf("/metrics"), { headers: { "accept-encoding": "identity" } });
    expect(plain.status).to.equal(200);
    expect(plain.headers.get("content-type")).to.equal("text/plain; version=0.0.4; charset=utf-8");
    expect(plain.headers.get("content-encoding")).to.equal(null);
    const found = await plain.text();
    expect(found).to.match(/^# TYPE sessiond_rpc_calls_total counter$/m);
    const zipped = await fetch(urlOf("/metrics"), { headers: { "accept-encoding": "gzip" } });
    expect(zipped.headers.get("content-encoding")).to.equal("gzip");
    expect(await zipped.text()).to.match(/^sessiond_build_info\{/m);

    const elsewhere = await fetch(`${app.url}/metrics`);
    expect(elsewhere.status).to.equal(404);
  });

  it("J01: without its setting, nothing is served and nothing is counted", async () => {
    const other = await startReplica(app.database.url);
    try {
      expect(other.app.metrics).to.equal(undefined);
      expect(other.app.metricsPort).to.equal(undefined);
    } finally {
      await other.stop();
    }
  });

  it("J01: a port that is in use prevents the start, with a message that names the settings", async () => {
    const occupant = createServer();
    await once(occupant.listen(0, "127.0.0.1"), "listening");
    const { port } = occupant.address() as AddressInfo;
    try {
      const error = await startReplica(app.database.url, {
        env: { SESSIOND_METRICS_PORT: String(port) },
      }).then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(error?.message).to.equal(
        `cannot serve metrics on 127.0.0.1, port ${port}: listen EADDRINUSE: address already in use ` +
          `127.0.0.1:${port} (see SESSIOND_METRICS_HOST and SESSIOND_METRICS_PORT)`,
      );
    } finally {
      occupant.close();
    }
  });

  it("J08: is healthy and ready while it serves", async () => {
    const healthy = await fetch(urlOf("/healthz"));
    expect([healthy.status, await healthy.text()]).to.deep.equal([200, "ok\n"]);
    const ready = await fetch(urlOf("/readyz"));
    expect([ready.status, await ready.text()]).to.deep.equal([200, "ready\n"]);
  });

  it("refuses other methods and paths, and gives HEAD no body", async () => {
    const post = await fetch(urlOf("/metrics"), { method: "POST" });
    expect([post.status, post.headers.get("allow")]).to.deep.equal([405, "GET, HEAD"]);
    const unknown = await fetch(urlOf("/other"));
    expect([unknown.status, await unknown.text()]).to.deep.equal([
      404,
      "there are /metrics, /healthz and /readyz\n",
    ]);
    const head = await fetch(urlOf("/healthz"), { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).to.deep.equal([
      200,
      "3",
      "",
    ]);
  });

  it("refuses headers above 8 KiB", async () => {
    const socket = connect(app.app.metricsPort ?? 0, "127.0.0.1");
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ${"a".repeat(8 * 1024)}\r\n\r\n`);
    expect(await text(socket)).to.match(/^HTTP\/1\.1 431 /);
  });
});

describe("documents on the port of the metrics", () => {
  let listener: MetricsListener | undefined;
  /** What the document's requests wait for. */
  let document: PromiseWithResolvers<Document>;
  let requests: number;
  let scrape: () => Promise<never>;
  let scrapes: number;
  const log: Record<string, unknown>[] = [];

  beforeEach(async () => {
    document = Promise.withResolvers();
    requests = 0;
    scrape = () => Promise.reject(new Error("no metrics"));
    scrapes = 0;
    log.length = 0;
    listener = await serveMetrics({
      config: { metrics: { host: "127.0.0.1", port: 0 } },
      log: pino({ level: "error" }, { write: (line) => log.push(JSON.parse(line)) }),
      scrape: () => {
        scrapes += 1;
        return scrape();
      },
      ready: () => ({ isReady: true }),
      documents: new Map([
        [
          "/keys",
          () => {
            requests += 1;
            return document.promise;
          },
        ],
      ]),
    });
  });

  afterEach(() => listener?.[Symbol.asyncDispose]());

  const get = (path: string, signal?: AbortSignal) =>
    fetch(`http://127.0.0.1:${listener?.port}${path}`, { signal: signal ?? null });

  it("J08: leave connections to probes, however many ask for them and wait", async () => {
    const gone = new AbortController();
    const waiting = [1, 2, 3].map(() => get("/keys"));
    const leaving = get("/keys", gone.signal).catch((error: unknown) => error);
    await until("four are being served", async () => requests === 4);
    for (let round = 0; round < 5; round += 1) {
      const refused = await get("/keys");
      expect([refused.status, refused.headers.get("retry-after")]).to.deep.equal([503, "1"]);
      expect(await refused.text()).to.equal("too many requests at once\n");
      for (const probe of ["/healthz", "/readyz"]) expect((await get(probe)).status).to.equal(200);
    }
    expect(requests).to.equal(4);
    // Whoever goes away takes no place.
    gone.abort();
    await leaving;
    await until("its place is free", async () => {
      // One that is refused ends at once.
      await Promise.race([get("/keys"), until("it waits", async () => requests === 5)]);
      return requests === 5;
    });
    document.resolve({ status: 200, headers: {}, body: Buffer.from("keys") });
    for (const answer of waiting) expect(await (await answer).text()).to.equal("keys");
    await until("all places are free", async () => (await get("/keys")).status === 200);
  });

  describe("when there are too many connections", () => {
    let sockets: Socket[];
    /** The numbers of those that have closed. */
    let closed: number[];

    beforeEach(() => {
      sockets = [];
      closed = [];
    });

    /** Opens connections one after another, and sends this on each. */
    async function open(count: number, request: string): Promise<void> {
      for (let index = 0; index < count; index += 1) {
        const number = sockets.length;
        const socket = connect(listener?.port ?? 0, "127.0.0.1").on("error", () => {});
        const ofThisTest = closed;
        socket.resume().once("close", () => ofThisTest.push(number));
        sockets.push(socket);
        await once(socket, "connect");
        if (request !== "") socket.write(request);
      }
    }

    afterEach(() => {
      for (const socket of sockets) socket.destroy();
    });

    it("J08: close the oldest one without a request", async () => {
      await open(15, "");
      await open(15, "GET /healthz HTTP/1.1\r\n");
      await until("the first ones have made room", async () => closed.length >= 22);
      expect(closed).to.deep.equal(Array.from({ length: 22 }, (_, number) => number));
      for (const probe of ["/healthz", "/readyz"]) expect((await get(probe)).status).to.equal(200);
    });

    it("J08: close the new one if all others have requests", async () => {
      scrape = () => document.promise.then(() => Promise.reject(new Error("no metrics")));
      await open(8, "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n");
      await until("all are being served", async () => scrapes === 8);
      await open(1, "");
      await until("the new one is closed", async () => closed.length > 0);
      expect(closed).to.deep.equal([8]);
      document.resolve({ status: 200, headers: {}, body: Buffer.from("keys") });
      await until("all have an answer", async () => closed.length === 9);
    });
  });

  it("J01: are named where a path is not found", async () => {
    const unknown = await get("/other");
    expect([unknown.status, await unknown.text()]).to.deep.equal([
      404,
      "there are /metrics, /healthz, /readyz and /keys\n",
    ]);
  });

  it("J01: fail with a line in the log of their own", async () => {
    const failing = get("/keys?x=secret");
    await until("it waits", async () => requests === 1);
    document.reject(new Error("no keys"));
    expect((await failing).status).to.equal(500);
    expect((await get("/metrics")).status).to.equal(500);
    expect(log.map(({ msg, path }) => [msg, path])).to.deep.equal([
      ["the port of the metrics failed", "/keys"],
      ["a scrape of the metrics failed", undefined],
    ]);
  });
});

describe("readiness on the port of the metrics", () => {
  let proxy: DatabaseProxy;

  afterEach(() => proxy.close());

  it("J08: is not ready while it starts, the database is away, or it drains, and says why", async () => {
    const database = await createTestDatabase();
    proxy = await startDatabaseProxy(database.url);
    const replica = await startReplica(proxy.url, {
      env: { ...METRICS, SESSIOND_READINESS_TIMEOUT: "1s", SESSIOND_DRAIN_DELAY: "2s" },
    });
    const { metricsPort } = replica.app;
    const readiness = async () => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}/readyz`);
      return `${response.status} ${await response.text()}`;
    };
    const becomes = (wanted: string) =>
      until(wanted, async () => (await readiness()) === `${wanted}\n`);
    let stopping: Promise<void> | undefined;
    try {
      await becomes("200 ready");
      proxy.refuse();
      await becomes("503 the database does not answer");
      expect((await scrape(metricsPort)).value("sessiond_database_up")).to.equal(0);
      const healthy = await fetch(`http://127.0.0.1:${metricsPort}/healthz`);
      expect(healthy.status).to.equal(200);
      proxy.restore();
      await becomes("200 ready");
      expect((await scrape(metricsPort)).value("sessiond_database_up")).to.equal(1);
      stopping = replica.stop();
      await becomes("503 draining");
    } finally {
      await (stopping ?? replica.stop());
      await database.drop();
    }
  });
});
