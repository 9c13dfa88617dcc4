import { getEventListeners } from "node:events";
import { expect } from "chai";
import {
  type Bulkhead,
  ConnectionPermits,
  type ConnectionUse,
} from "../../src/storage/pg/connection-permits.ts";
import { expectReason } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";

/** Longer than any run of the tests. */
const NEVER = 2 ** 31 - 1;

function permitsOf(poolSize: number, limits = {}) {
  return new ConnectionPermits({ poolSize, queueLimit: 100, queueTimeoutMs: NEVER, ...limits });
}

/** Takes as many connections as there are for a use, without a wait; returns how many. */
function takeAll(permits: ConnectionPermits, use: ConnectionUse): number {
  let taken = 0;
  for (; permits.hasRoom(use); taken += 1) void permits.acquire(use, undefined);
  return taken;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("connections: bulkheads (ASVS 13.1.2, F12)", () => {
  const shares: [poolSize: number, Record<Bulkhead, number>][] = [
    [1, { reads: 1, writes: 1, retries: 1, lock_waits: 1, management: 1 }],
    [2, { reads: 2, writes: 1, retries: 1, lock_waits: 1, management: 1 }],
    [3, { reads: 3, writes: 2, retries: 1, lock_waits: 1, management: 1 }],
    [4, { reads: 4, writes: 3, retries: 1, lock_waits: 1, management: 1 }],
    [10, { reads: 10, writes: 8, retries: 2, lock_waits: 2, management: 2 }],
    [50, { reads: 50, writes: 48, retries: 10, lock_waits: 10, management: 10 }],
  ];
  for (const [poolSize, expected] of shares) {
    it(`of ${poolSize}, each kind of work takes no more than its share`, () => {
      for (const [bulkhead, share] of Object.entries(expected)) {
        const use = { bulkhead: bulkhead as Bulkhead };
        expect(takeAll(permitsOf(poolSize), use), bulkhead).to.equal(share);
      }
    });
  }

  it("all others together leave connections to reads, and those that wait also to writes", () => {
    for (const poolSize of [3, 4, 10]) {
      const permits = permitsOf(poolSize);
      takeAll(permits, { bulkhead: "retries" });
      takeAll(permits, { bulkhead: "lock_waits" });
      takeAll(permits, { bulkhead: "management" });
      expect(takeAll(permits, { bulkhead: "writes" })).to.be.at.least(1);
      expect(takeAll(permits, { bulkhead: "reads" })).to.be.at.least(1);
    }
  });

  it("never gives out more than there are, and starts one for each that comes back", async () => {
    const permits = permitsOf(4);
    const started: Bulkhead[] = [];
    const ask = (bulkhead: Bulkhead) =>
      permits.acquire({ bulkhead }, undefined).then(() => started.push(bulkhead));
    for (const _ of numbers(4)) void ask("reads");
    for (const _ of numbers(3)) void ask("writes");
    for (const _ of numbers(3)) void ask("reads");
    await turn();
    expect(started).to.have.length(4);
    permits.release({ bulkhead: "reads" });
    await turn();
    expect(started).to.have.length(5);
    permits.release({ bulkhead: "reads" });
    await turn();
    expect(started.slice(4), "the bulkheads take turns").to.have.members(["reads", "writes"]);
  });
});

describe("connections: who waits", () => {
  it("a connection that comes back costs the same, however many wait for another bulkhead", () => {
    const permits = permitsOf(10, { queueLimit: 1000 });
    takeAll(permits, { bulkhead: "management" });
    let looks = 0;
    const use: ConnectionUse = {
      get bulkhead() {
        looks += 1;
        return "management" as const;
      },
    };
    for (const _ of numbers(1000)) void permits.acquire(use, undefined);
    expect(permits.waitingCount).to.equal(1000);
    expect(looks).to.be.at.least(1000);
    looks = 0;
    void permits.acquire({ bulkhead: "reads" }, undefined);
    permits.release({ bulkhead: "reads" });
    expect(looks).to.equal(0);
  });

  const writes = (clientKey?: string): ConnectionUse => ({
    bulkhead: "writes",
    ...(clientKey !== undefined && { clientKey }),
  });

  /** One connection, which is taken. */
  function busy(limits = {}) {
    const permits = permitsOf(1, limits);
    void permits.acquire(writes(), undefined);
    return permits;
  }

  it("clients take turns", async () => {
    const permits = busy();
    const order: string[] = [];
    for (const client of ["flood", "flood", "flood", "quiet"]) {
      void permits.acquire(writes(client), undefined).then(() => order.push(client));
    }
    for (const _ of numbers(4)) {
      permits.release(writes());
      await turn();
    }
    expect(order).to.deep.equal(["flood", "quiet", "flood", "flood"]);
  });

  it("when the queue is full, the client with the most calls loses one, and a quiet one none", async () => {
    const permits = busy({ queueLimit: 2 });
    const flood = ["first", "second", "third"].map((name) =>
      permits.acquire(writes("flood"), undefined).then(
        () => `${name} started`,
        (error: unknown) => error,
      ),
    );
    expectReason(await flood[2], "OVERLOADED");
    const quiet = permits.acquire(writes("quiet"), undefined);
    expectReason(await flood[1], "OVERLOADED");
    permits.release(writes());
    expect(await flood[0]).to.equal("first started");
    permits.release(writes());
    await quiet;
  });

  it("whoever gives up leaves the queue at once, with its own reason", async () => {
    const permits = busy();
    const abort = new AbortController();
    const reason = new Error("gone");
    const call = permits.acquire(writes(), abort.signal).catch((error: unknown) => error);
    expect(permits.waitingCount).to.equal(1);
    abort.abort(reason);
    expect(permits.waitingCount).to.equal(0);
    expect(await call).to.equal(reason);
    expect(getEventListeners(abort.signal, "abort")).to.deep.equal([]);
    permits.release(writes());
    expect(permits.hasRoom(writes()), "nobody was started in its place").to.equal(true);
  });

  it("a wait that takes too long ends with OVERLOADED", async () => {
    const permits = busy({ queueTimeoutMs: 1 });
    const call = permits.acquire(writes(), undefined).catch((error: unknown) => error);
    expectReason(await call, "OVERLOADED");
    expect(permits.waitingCount).to.equal(0);
  });
});
