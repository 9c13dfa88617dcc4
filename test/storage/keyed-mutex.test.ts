import { getEventListeners } from "node:events";
import { expect } from "chai";
import { KeyedMutex } from "../../src/storage/pg/keyed-mutex.ts";
import { expectReason } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";

/** Longer than any run of the tests. */
const NEVER = 2 ** 31 - 1;

/** A mutex with a call on the key `a`, and the order in which further calls start. */
async function busy(limits = {}) {
  const mutex = new KeyedMutex({ queueLimit: 100, queueTimeoutMs: NEVER, ...limits });
  const started: string[] = [];
  await mutex.acquire("a", { signal: undefined });
  const ask = (name: string, key: string, clientKey = "client") =>
    mutex.acquire(key, { signal: undefined, clientKey }).then(
      () => started.push(name),
      (error: unknown) => error,
    );
  return { mutex, started, ask };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("keyed mutex", () => {
  it("lets one call run at a time for each key, and holds up no other key", async () => {
    const { mutex, started, ask } = await busy();
    void ask("a2", "a");
    void ask("a3", "a");
    void ask("b1", "b");
    await turn();
    expect(started).to.deep.equal(["b1"]);
    mutex.release("b");
    await turn();
    expect(started).to.deep.equal(["b1"]);
    mutex.release("a");
    await turn();
    expect(started).to.deep.equal(["b1", "a2"]);
    mutex.release("a");
    await turn();
    expect(started).to.deep.equal(["b1", "a2", "a3"]);
    mutex.release("a");
    expect(mutex.keyCount, "it keeps nothing").to.equal(0);
  });

  it("lets clients take turns", async () => {
    const { mutex, started, ask } = await busy();
    for (const client of ["flood", "flood", "flood", "quiet"]) void ask(client, "a", client);
    for (const _ of numbers(4)) {
      mutex.release("a");
      await turn();
    }
    expect(started).to.deep.equal(["flood", "quiet", "flood", "flood"]);
  });

  it("when too many wait for any keys, refuses one of the client with the most", async () => {
    const { mutex, started, ask } = await busy({ queueLimit: 2 });
    await ask("b1", "b");
    const flood = [ask("a2", "a", "flood"), ask("b2", "b", "flood"), ask("b3", "b", "flood")];
    expectReason(await flood[2], "OVERLOADED");
    const quiet = ask("a3", "a", "quiet");
    expectReason(await flood[1], "OVERLOADED");
    expect(mutex.waitingCount).to.equal(2);
    for (const key of ["a", "a", "a", "b"]) mutex.release(key);
    await quiet;
    expect(started).to.deep.equal(["b1", "a2", "a3"]);
    expect([mutex.waitingCount, mutex.keyCount]).to.deep.equal([0, 0]);
  });

  it("lets whoever gives up leave at once, with its own reason", async () => {
    const { mutex } = await busy();
    const abort = new AbortController();
    const reason = new Error("gone");
    const call = mutex.acquire("a", { signal: abort.signal }).catch((error: unknown) => error);
    expect(mutex.waitingCount).to.equal(1);
    abort.abort(reason);
    expect(mutex.waitingCount).to.equal(0);
    expect(await call).to.equal(reason);
    expect(getEventListeners(abort.signal, "abort")).to.deep.equal([]);
    mutex.release("a");
    expect(mutex.keyCount, "nobody was started in its place").to.equal(0);
  });

  it("ends a wait that takes too long with OVERLOADED", async () => {
    const { mutex, ask } = await busy({ queueTimeoutMs: 1 });
    expectReason(await ask("a2", "a"), "OVERLOADED");
    expect(mutex.waitingCount).to.equal(0);
  });
});
