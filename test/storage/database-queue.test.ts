import { expect } from "chai";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectReason, rejected } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";
import { openTestStorage, type TestStorage, type TestStorageOptions } from "../support/storage.ts";
import { until } from "../support/until.ts";

const ONE = { text: "SELECT 1 AS one" };

describe("database: the queue for connections (ASVS 13.1.2)", () => {
  let test: TestDatabase;
  const open: TestStorage[] = [];

  before(async () => {
    test = await createTestDatabase();
  });
  after(async () => {
    for (const storage of open) await storage.close();
    await test?.drop();
  });

  async function openStorage(options: TestStorageOptions): Promise<TestStorage> {
    const storage = await openTestStorage(test.url, options);
    open.push(storage);
    return storage;
  }

  /** Takes all connections until `release` is called. */
  async function exhaust({ database, pool }: TestStorage, poolSize: number) {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const holders = numbers(poolSize).map(() =>
      database.transaction(undefined, async () => released),
    );
    await until("all connections are taken", async () => {
      return pool.totalCount === poolSize && pool.idleCount === 0;
    });
    return {
      async release() {
        release();
        await Promise.all(holders);
      },
    };
  }

  it("refuses one more than may wait with OVERLOADED, at once, and serves those that do", async () => {
    const storage = await openStorage({ poolSize: 2, queueLimit: 3 });
    const { database } = storage;
    const { release } = await exhaust(storage, 2);
    const waiting = numbers(3).map(() => database.query(ONE, [], undefined));
    for (const call of [
      () => database.query(ONE, [], undefined),
      () => database.transaction(undefined, async () => {}),
      () => database.withEntityManager(undefined, async () => {}),
    ]) {
      await rejected(call(), "OVERLOADED");
    }
    await release();
    for (const rows of await Promise.all(waiting)) expect(rows).to.deep.equal([{ one: 1 }]);
    expect(await database.query(ONE, [], undefined)).to.deep.equal([{ one: 1 }]);
  });

  it("ends a wait that takes too long with OVERLOADED, and goes on afterwards", async () => {
    const storage = await openStorage({ poolSize: 1, queueTimeoutMs: 50 });
    const { database, pool } = storage;
    const { release } = await exhaust(storage, 1);
    await Promise.all([
      rejected(database.query(ONE, [], undefined), "OVERLOADED"),
      rejected(
        database.transaction(undefined, async () => {}),
        "OVERLOADED",
      ),
      rejected(
        database.withEntityManager(undefined, async () => {}),
        "OVERLOADED",
      ),
    ]);
    await release();
    expect(await database.query(ONE, [], undefined)).to.deep.equal([{ one: 1 }]);
    await until("nobody is left behind", async () => {
      return pool.waitingCount === 0 && pool.idleCount === pool.totalCount;
    });
  });

  it("lets a call wait for longer than opening a connection may take", async () => {
    const storage = await openStorage({ poolSize: 1 });
    const { release } = await exhaust(storage, 1);
    storage.setLimits({ connectTimeoutMs: 1 });
    const call = storage.database.query(ONE, [], undefined);
    const startedAt = performance.now();
    await until("the time to open one has passed", async () => performance.now() > startedAt + 1);
    await release();
    expect(await call).to.deep.equal([{ one: 1 }]);
  });

  it("lets a caller that goes while it waits leave nothing behind", async () => {
    const storage = await openStorage({ poolSize: 1 });
    const { database, pool } = storage;
    const { release } = await exhaust(storage, 1);
    const reason = new Error("gone");
    const abort = new AbortController();
    const calls = [
      database.query(ONE, [], abort.signal),
      database.transaction(abort.signal, async () => {}),
      database.withEntityManager(abort.signal, async () => {}),
    ].map((call) => call.catch((error: unknown) => error));
    abort.abort(reason);
    expect(await Promise.all(calls)).to.deep.equal([reason, reason, reason]);
    await release();
    await until("the connection is free", async () => {
      return pool.waitingCount === 0 && pool.idleCount === 1;
    });
  });

  it("with no place to wait still serves as many at once as there are connections", async () => {
    const { database } = await openStorage({ poolSize: 3, queueLimit: 0 });
    for (const _ of numbers(20)) {
      const calls = numbers(3).map(() => database.query(ONE, [], undefined));
      for (const rows of await Promise.all(calls)) expect(rows).to.have.length(1);
    }
    const outcomes = await Promise.allSettled(
      numbers(4).map(() => database.query(ONE, [], undefined)),
    );
    const refusals = outcomes.filter(({ status }) => status === "rejected");
    expect(refusals).to.have.length(1);
    expectReason((refusals[0] as PromiseRejectedResult).reason, "OVERLOADED");
  });
});
