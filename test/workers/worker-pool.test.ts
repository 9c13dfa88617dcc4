import cluster, { type Worker } from "node:cluster";
import { EventEmitter } from "node:events";
import { mock } from "node:test";
import { expect } from "chai";
import pino from "pino";
import type { FromWorker, ToWorker } from "../../src/worker-messages.ts";
import { WorkerPool, WorkerStartError } from "../../src/worker-pool.ts";
import { failureOf } from "../support/transport.ts";
import { until } from "../support/until.ts";

/** Stands for the process of a worker: a test says what it does. */
class FakeWorker extends EventEmitter {
  readonly process = Object.assign(new EventEmitter(), {
    pid: 1,
    stderr: null,
    send: () => true,
    kill: () => this.end(null, "SIGKILL"),
  });
  readonly received: ToWorker["type"][] = [];
  #ended = false;

  isConnected(): boolean {
    return !this.#ended;
  }

  /** Whether its event loop is not blocked. */
  answers = true;

  send({ type }: ToWorker): void {
    this.received.push(type);
    if (type === "ping" && this.answers) this.say({ type: "pong" });
  }

  say(message: FromWorker): void {
    this.emit("message", message);
  }

  end(code: number | null, signal: string | null = null): void {
    this.#ended = true;
    this.process.emit("close", code, signal);
  }
}

describe("worker pool", () => {
  const serving = { type: "serving", url: "http://localhost:1", port: 1 } as const;
  /** In the order of their start. */
  let workers: FakeWorker[];
  let fork: () => FakeWorker;
  let logged: string[];

  beforeEach(() => {
    workers = [];
    logged = [];
    fork = () => new FakeWorker();
    mock.method(cluster, "setupPrimary", () => {});
    mock.method(cluster, "fork", (): Worker => {
      const worker = fork();
      workers.push(worker);
      return worker as unknown as Worker;
    });
  });
  afterEach(() => {
    mock.restoreAll();
    mock.timers.reset();
  });

  function createPool(): WorkerPool {
    return new WorkerPool({
      size: 2,
      log: pino({}, { write: (line: string) => logged.push(line) }),
      onLogLine: () => {},
      startMessage: () => ({ embedded: undefined, isLogSwitched: false }),
      startTimeoutMs: 300_000,
      stopTimeoutMs: 600_000,
    });
  }

  async function startPool() {
    const pool = createPool();
    const started = pool.start();
    for (const worker of workers) worker.say(serving);
    await started;
    return pool;
  }

  it("goes on without a worker that the system cannot start, and tries again", async () => {
    const pool = await startPool();
    fork = () => {
      throw new Error("spawn ENOMEM");
    };
    workers[0]?.end(null, "SIGKILL");

    await until("it could not be started", async () =>
      logged.some((line) => line.includes("ENOMEM")),
    );
    fork = () => new FakeWorker();
    await until("it is started again", async () => workers.length === 3);

    const stopped = pool.stop();
    for (const worker of workers.slice(1)) {
      expect(worker.received).to.include("stop");
      worker.end(0);
    }
    await stopped;
  });

  describe("with a worker that hangs while it starts", () => {
    const hangs = (answers: boolean) => () => Object.assign(new FakeWorker(), { answers });
    beforeEach(() => mock.timers.enable({ apis: ["setInterval"] }));

    async function startsAnother(pool: WorkerPool): Promise<void> {
      fork = () => new FakeWorker();
      await until("another one is started", async () => workers.length === 4);
      workers[3]?.say(serving);
      expect(logged.at(-1)).to.include("worker serves");
      const stopped = pool.stop();
      for (const worker of workers.slice(1)) worker.end(0);
      await stopped;
    }

    async function startPoolAndReplace(answers: boolean): Promise<WorkerPool> {
      const pool = await startPool();
      fork = hangs(answers);
      workers[0]?.end(null, "SIGKILL");
      await until("it is replaced", async () => workers.length === 3);
      logged = [];
      return pool;
    }

    it("kills and replaces one whose event loop is blocked", async () => {
      const pool = await startPoolAndReplace(false);
      // The other one answers, so it goes on.
      mock.timers.tick(120_000);
      expect(logged).to.deep.equal([]);
      mock.timers.tick(5000);
      expect(logged).to.have.length(1);
      expect(logged[0]).to.include("it has not answered for 120 s").and.include("SIGKILL");
      await startsAnother(pool);
    });

    it("kills and replaces one that answers, but does not come to serve", async () => {
      const pool = await startPoolAndReplace(true);
      mock.timers.tick(300_000);
      expect(logged).to.deep.equal([]);
      mock.timers.tick(5000);
      expect(logged).to.have.length(1);
      expect(logged[0]).to.include("it did not serve within 300 s").and.include("SIGKILL");
      await startsAnother(pool);
    });

    it("does not start", async () => {
      fork = hangs(false);
      const pool = createPool();
      const failure = failureOf(pool.start());
      mock.timers.tick(125_000);
      expect((await failure).message).to.equal(
        "worker 1 ended with SIGKILL before it served: it has not answered for 120 s",
      );
      await pool.stop();
    });
  });

  it("goes on if there is no process behind a worker, as when too many files are open", async () => {
    const pool = await startPool();
    fork = () => {
      const worker = new FakeWorker();
      Object.assign(worker.process, { pid: undefined, stderr: undefined });
      setImmediate(() => {
        worker.emit("error", new Error("spawn EMFILE"));
        worker.end(-24);
      });
      return worker;
    };
    workers[0]?.end(null, "SIGKILL");

    await until("its end is logged", async () => logged.some((line) => line.includes("EMFILE")));
    const [, other] = workers;
    const stopped = pool.stop();
    other?.end(0);
    await stopped;
  });

  it("does not start if the system cannot start a worker", async () => {
    fork = () => {
      throw new Error("spawn ENOMEM");
    };
    const pool = createPool();
    const failure = await failureOf(pool.start());
    expect(failure).to.be.instanceOf(WorkerStartError);
    expect(failure.message).to.equal("spawn ENOMEM");
    await pool.stop();
  });

  it("says only once what prevents all workers, and reports what else ends one", async () => {
    const failed = { type: "failed", message: "cannot listen" } as const;
    for (const isAlike of [true, false]) {
      workers = [];
      const pool = createPool();
      const failure = failureOf(pool.start());
      const [first, second] = workers;
      first?.say(failed);
      first?.end(1);
      expect((await failure).message).to.equal("cannot listen");

      const stopped = pool.stop();
      // It fails before it gets to read that it is to stop.
      if (isAlike) second?.say(failed);
      second?.end(1);
      await stopped;
      expect(logged).to.have.length(isAlike ? 0 : 1);
    }
    expect(logged[0]).to.include("worker ended while it stopped");
  });

  it("stops without an error when Ctrl-C reaches a worker that does not ignore it yet", async () => {
    const pool = await startPool();
    workers[0]?.end(null, "SIGKILL");
    await until("it is replaced", async () => workers.length === 3);
    logged = [];

    const stopped = pool.stop();
    workers[2]?.end(null, "SIGINT");
    expect(logged).to.deep.equal([]);
    // This one had served, and ignores SIGINT.
    workers[1]?.end(null, "SIGINT");
    await stopped;
    expect(logged).to.have.length(1);
    expect(logged[0]).to.include("worker ended while it stopped");
  });

  it("starts no worker after it was told to stop while they started", async () => {
    const pool = createPool();
    void pool.start();
    const stopped = pool.stop();
    for (const worker of workers) worker.say(serving);
    for (const worker of workers) worker.end(0);

    await stopped;
    expect(workers).to.have.length(2);
    expect(logged).to.deep.equal([]);
  });
});
