import { createClient } from "@connectrpc/connect";
import { expect } from "chai";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import { type ReadinessOptions, watchReadiness } from "../../src/jobs/readiness.ts";
import { openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until, untilWaiting } from "../support/until.ts";

const SERVICE = "sessiond.v1.SessionService";
const TIMEOUT_MS = 2000;

describe("readiness", () => {
  let database: TestDatabase;
  let proxy: DatabaseProxy;
  let replica: Replica;
  let logged: string[];

  beforeEach(async () => {
    logged = [];
    database = await createTestDatabase();
    proxy = await startDatabaseProxy(database.url);
    replica = await startReplica(proxy.url, {
      env: { SESSIOND_READINESS_TIMEOUT: `${TIMEOUT_MS}ms`, SESSIOND_DATABASE_POOL_SIZE: "2" },
      onLog: (line) => logged.push(line),
    });
  });
  afterEach(async () => {
    proxy.restore();
    await replica.stop();
    await proxy.close();
    await database.drop();
  });

  /** The statuses that a Watch has sent. */
  function watch(service: string) {
    const statuses: Status[] = [];
    const controller = new AbortController();
    const { signal } = controller;
    const ended = (async () => {
      const updates = createClient(Health, replica.transport).watch({ service }, { signal });
      for await (const { status } of updates) statuses.push(status);
    })().catch(() => {});
    return {
      statuses,
      untilThere: (count: number) =>
        until(`${count} statuses`, async () => statuses.length >= count),
      async end() {
        controller.abort();
        await ended;
        return statuses;
      },
    };
  }

  const messages = () =>
    logged.map((line) => JSON.parse(line).msg).filter((text) => text.includes("reporting"));

  for (const [what, fail] of Object.entries({
    "does not answer": () => proxy.freeze(),
    "refuses connections": () => proxy.refuse(),
  })) {
    it(`is lost while the database ${what}, liveness is not, and both changes are logged once`, async () => {
      const [service, server] = [watch(SERVICE), watch("")];
      await service.untilThere(1);
      fail();
      await service.untilThere(2);
      expect(messages()).to.deep.equal(["the database does not answer: reporting NOT_SERVING"]);
      proxy.restore();
      await service.untilThere(3);
      expect(await service.end()).to.deep.equal([
        Status.SERVING,
        Status.NOT_SERVING,
        Status.SERVING,
      ]);
      expect(await server.end()).to.deep.equal([Status.SERVING]);
      expect(messages().slice(1)).to.deep.equal(["the database answers again: reporting SERVING"]);
      await openSession(replica.client);
    });
  }

  /** Until probes have been answered for longer than the timeout, and nothing else has been. */
  async function untilProbedFor(since: number): Promise<void> {
    await until(
      "probes were answered",
      async () => replica.app.storage.database.lastAnsweredAt > since + TIMEOUT_MS,
    );
  }

  it("is kept while all connections wait for a lock and no statement ends", async () => {
    const service = watch(SERVICE);
    await service.untilThere(1);
    const sessions = await Promise.all([1, 2, 3].map(() => openSession(replica.client)));
    const held = await holdTransaction(database);
    await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
    const blocked = sessions.map(({ id }) =>
      replica.client.get({ session: { ref: { case: "sessionId", value: id } } }),
    );
    const creating = openSession(replica.client);
    await untilWaiting(database.sql, 2);

    await untilProbedFor(performance.now());

    await held.commit();
    await Promise.all([...blocked, creating]);
    expect(await service.end()).to.deep.equal([Status.SERVING]);
  });

  it("is kept while the database is read-only: sessions can still be validated", async () => {
    const service = watch(SERVICE);
    await service.untilThere(1);
    const { cookie } = await openSession(replica.client);
    const name = new URL(database.url).pathname.slice(1);
    await database.sql(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`);
    proxy.cut();
    await expectFailure(
      until("a connection of after the change", () =>
        openSession(replica.client).then(() => false),
      ),
      "STORAGE_UNAVAILABLE",
    );
    await untilProbedFor(performance.now());
    await validate(replica.client, cookie);
    expect(await service.end()).to.deep.equal([Status.SERVING]);
  });
});

describe("readiness (unit)", () => {
  /** Checks every ten milliseconds on a clock that the test moves. */
  function start(options: Partial<ReadinessOptions>) {
    const changes: boolean[] = [];
    let checks = 0;
    let probes = 0;
    const watching = watchReadiness({
      timeoutMs: 40,
      now: () => 0,
      onChange: (ready) => changes.push(ready),
      ...options,
      lastAnsweredAt() {
        checks += 1;
        return options.lastAnsweredAt?.() ?? 0;
      },
      async probe(signal) {
        probes += 1;
        await options.probe?.(signal);
      },
    });
    return { ...watching, changes, checks: () => checks, probes: () => probes };
  }

  it("probes nothing while statements are answered", async () => {
    const { stop, checks, probes, changes } = start({});
    await until("it has checked", async () => checks() > 10);
    await stop();
    expect([probes(), changes]).to.deep.equal([0, []]);
  });

  it("probes before it reports: the process may have been suspended", async () => {
    let answeredAt = 0;
    const now = () => 1000;
    const { stop, probes, changes } = start({
      now,
      lastAnsweredAt: () => answeredAt,
      probe: async () => {
        answeredAt = 1000;
      },
    });
    await until("it has probed", async () => probes() > 0);
    await stop();
    expect(changes).to.deep.equal([]);
  });

  it("does not report before the timeout, however often a probe fails", async () => {
    const { stop, probes, changes } = start({
      now: () => 39,
      probe: () => Promise.reject(new Error("refused")),
    });
    await until("it has probed", async () => probes() > 5);
    await stop();
    expect(changes).to.deep.equal([]);
  });

  it("gives a probe up when it takes too long, and when it stops", async () => {
    const reasons: string[] = [];
    const reported: unknown[] = [];
    const { stop } = start({
      now: () => 40,
      onChange: (ready, error) => reported.push([ready, (error as Error).message]),
      probe: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            reasons.push(signal.reason.name);
            reject(signal.reason);
          });
        }),
    });
    await until("it has reported", async () => reported.length > 0);
    await stop();
    expect(reasons[0]).to.equal("TimeoutError");
    expect(reported).to.deep.equal([[false, "no answer to a probe within 10 ms"]]);
  });
});
