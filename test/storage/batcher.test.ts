import { getEventListeners } from "node:events";
import { mock } from "node:test";
import { expect } from "chai";
import fc from "fast-check";
import type { Cancellation, CancellationListener } from "../../src/session/call-context.ts";
import { SessionError } from "../../src/session/errors.ts";
import { Batcher, RETRY_ALONE } from "../../src/storage/pg/batcher.ts";
import { expectReason } from "../support/expect-reason.ts";
import { until } from "../support/until.ts";
import { Fault, handDriven, nth } from "./hand-driven-batcher.ts";

/** The call's outcome as it is by now, without waiting for it. */
async function stateOf(call: Promise<unknown>): Promise<unknown> {
  const open = Symbol("open");
  const outcome = await Promise.race([
    call.catch((error: unknown) => error),
    turn().then(() => open),
  ]);
  return outcome === open ? "open" : outcome;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A cancellation that is no AbortSignal, and who listens to it. */
function observedCancellation() {
  const listeners = new Set<CancellationListener>();
  const cancellation: Cancellation = {
    aborted: false,
    reason: "gone",
    addEventListener: (_, listener) => listeners.add(listener),
    removeEventListener: (_, listener) => listeners.delete(listener),
  };
  return { cancellation, listeners };
}

describe("batcher: who rides with whom", () => {
  it("starts the first at once, by itself if nobody else has come by then", async () => {
    const { batcher, batches } = handDriven();
    const call = batcher.add("a", undefined);
    expect(batches).to.have.length(1);
    expect(nth(batches, 0).send()).to.deep.equal(["a"]);
    nth(batches, 0).answer();
    expect(await call).to.equal("a!");
  });

  it("takes those that come before the statement is sent, in their order", async () => {
    const { batcher, batches } = handDriven();
    const calls = ["a", "b", "c"].map((item) => batcher.add(item, undefined));
    expect(batches).to.have.length(1);
    expect(nth(batches, 0).send()).to.deep.equal(["a", "b", "c"]);
    nth(batches, 0).answer();
    expect(await Promise.all(calls)).to.deep.equal(["a!", "b!", "c!"]);
  });

  it("never lets anybody join a statement that has been sent", async () => {
    const { batcher, batches } = handDriven();
    const first = batcher.add("a", undefined);
    nth(batches, 0).send();
    const later = ["b", "c"].map((item) => batcher.add(item, undefined));
    expect(batches, "they wait").to.have.length(1);
    nth(batches, 0).answer();
    expect(await first).to.equal("a!");
    expect(await stateOf(Promise.race(later)), "not answered by the first").to.equal("open");
    expect(nth(batches, 1).send()).to.deep.equal(["b", "c"]);
    nth(batches, 1).answer();
    expect(await Promise.all(later)).to.deep.equal(["b!", "c!"]);
  });

  it("has no more batches under way than it may, and as many if there is work", () => {
    const { batcher, batches } = handDriven({ maxInFlight: 2 });
    for (const item of ["a", "b", "c"]) {
      void batcher.add(item, undefined);
      for (const batch of batches) batch.send();
    }
    expect(batches).to.have.length(2);
  });

  it("starts another batch where the one under way is slow, and goes back to one", async () => {
    const { batcher, batches } = handDriven({ maxInFlight: 2, maxDelayMs: 10 });
    const calls = [batcher.add("slow", undefined)];
    nth(batches, 0).send();
    calls.push(batcher.add("b", undefined));
    expect(batches, "not at once").to.have.length(1);
    await until("another one", async () => batches.length === 2);
    expect(nth(batches, 1).send()).to.deep.equal(["b"]);
    nth(batches, 0).answer();
    nth(batches, 1).answer();
    await Promise.all(calls);
    void batcher.add("c", undefined);
    nth(batches, 2).send();
    void batcher.add("d", undefined);
    expect(batches).to.have.length(3);
  });

  it("rather starts another batch than refuse a call", () => {
    const { batcher, batches } = handDriven({ maxInFlight: 2, maxDelayMs: 1000, queueLimit: 0 });
    void batcher.add("a", undefined);
    nth(batches, 0).send();
    void batcher.add("b", undefined);
    expect(nth(batches, 1).send()).to.deep.equal(["b"]);
  });

  it("takes no more into a batch than it may, and the others next", async () => {
    const { batcher, batches } = handDriven({ maxBatch: 2 });
    const calls = ["a", "b", "c"].map((item) => batcher.add(item, undefined));
    expect(nth(batches, 0).send()).to.deep.equal(["a", "b"]);
    nth(batches, 0).answer();
    await turn();
    expect(nth(batches, 1).send()).to.deep.equal(["c"]);
    nth(batches, 1).answer();
    expect(await Promise.all(calls)).to.deep.equal(["a!", "b!", "c!"]);
  });

  it("keeps those of one key apart, and holds up nobody else", async () => {
    const { batcher, batches } = handDriven();
    const calls = ["key1", "key1 again", "key2", "x"].map((m) => batcher.add(m, undefined));
    expect(nth(batches, 0).send()).to.deep.equal(["key1", "key2", "x"]);
    nth(batches, 0).answer();
    await turn();
    expect(nth(batches, 1).send()).to.deep.equal(["key1 again"]);
    nth(batches, 1).answer();
    await Promise.all(calls);
  });

  it("sends the same items when the statement has to be sent again", () => {
    const { batcher, batches } = handDriven();
    void batcher.add("a", undefined);
    nth(batches, 0).send();
    void batcher.add("b", undefined);
    expect(nth(batches, 0).send()).to.deep.equal(["a"]);
  });
});

describe("batcher: bounds", () => {
  afterEach(() => {
    mock.restoreAll();
    mock.timers.reset();
  });

  it("refuses one more than may wait with OVERLOADED, at once, and serves the others", async () => {
    const { batcher, batches } = handDriven({ queueLimit: 2 });
    const calls = [batcher.add("a", undefined)];
    nth(batches, 0).send();
    calls.push(batcher.add("b", undefined), batcher.add("c", undefined));
    expectReason(await errorOf(batcher.add("d", undefined)), "OVERLOADED");
    nth(batches, 0).answer();
    await turn();
    nth(batches, 1).answer();
    expect(await Promise.all(calls)).to.deep.equal(["a!", "b!", "c!"]);
  });

  it("refuses those that have waited too long with OVERLOADED, and no others", async () => {
    let now = 0;
    mock.method(performance, "now", () => now);
    mock.timers.enable({ apis: ["setTimeout"] });
    const { batcher, batches } = handDriven({ queueTimeoutMs: 20 });
    const first = batcher.add("a", undefined);
    nth(batches, 0).send();
    const waiting = ["b", "c"].map((item) => errorOf(batcher.add(item, undefined)));
    now += 20;
    mock.timers.tick(20);
    for (const error of await Promise.all(waiting)) expectReason(error, "OVERLOADED");
    const last = batcher.add("d", undefined);
    nth(batches, 0).answer();
    expect(await first, "what has been sent is not ended").to.equal("a!");
    expect(nth(batches, 1).send()).to.deep.equal(["d"]);
    nth(batches, 1).answer();
    expect(await last).to.equal("d!");
  });
});

describe("batcher: turns of the clients", () => {
  it("a client with one item gets into the next batch, whatever another one has queued", async () => {
    const { batcher, batches } = handDriven({ maxBatch: 2 });
    const calls = ["a1", "a2", "a3", "a4", "a5"].map((item) => batcher.add(item, undefined, "a"));
    nth(batches, 0).send();
    calls.push(batcher.add("b1", undefined, "b"));
    nth(batches, 0).answer();
    await turn();
    expect(nth(batches, 1).send()).to.deep.equal(["a3", "b1"]);
    nth(batches, 1).answer();
    await turn();
    expect(nth(batches, 2).send()).to.deep.equal(["a4", "a5"]);
    nth(batches, 2).answer();
    await Promise.all(calls);
  });

  it("in a full queue, the client with the most items loses one, and a quiet one none", async () => {
    const { batcher, batches } = handDriven({ queueLimit: 2 });
    const first = batcher.add("a1", undefined, "a");
    nth(batches, 0).send();
    const flood = ["a2", "a3", "a4"].map((item) => batcher.add(item, undefined, "a"));
    expectReason(await errorOf(flood[2] as Promise<string>), "OVERLOADED");
    const quiet = batcher.add("b1", undefined, "b");
    expectReason(await errorOf(flood[1] as Promise<string>), "OVERLOADED");
    nth(batches, 0).answer();
    await first;
    expect(nth(batches, 1).send()).to.deep.equal(["a2", "b1"]);
    nth(batches, 1).answer();
    expect(await Promise.all([flood[0], quiet])).to.deep.equal(["a2!", "b1!"]);
  });

  it("without keys, all items are of one client, in their order", async () => {
    const { batcher, batches } = handDriven({ maxBatch: 3 });
    const calls = ["a", "b", "c", "d", "e"].map((item) => batcher.add(item, undefined));
    expect(nth(batches, 0).send()).to.deep.equal(["a", "b", "c"]);
    nth(batches, 0).answer();
    await turn();
    expect(nth(batches, 1).send()).to.deep.equal(["d", "e"]);
    nth(batches, 1).answer();
    await Promise.all(calls);
  });
});

describe("batcher: a caller that goes", () => {
  const reason = new Error("gone");

  it("is told its reason and has nothing sent where it had gone before", async () => {
    const { batcher, batches } = handDriven();
    expect(await errorOf(batcher.add("a", AbortSignal.abort(reason)))).to.equal(reason);
    expect(batches).to.deep.equal([]);
  });

  it("leaves the queue, and makes room in it", async () => {
    const { batcher, batches } = handDriven({ queueLimit: 1 });
    const abort = new AbortController();
    const first = batcher.add("a", undefined);
    nth(batches, 0).send();
    const gone = errorOf(batcher.add("b", abort.signal));
    abort.abort(reason);
    expect(await gone).to.equal(reason);
    const next = batcher.add("c", undefined);
    nth(batches, 0).answer();
    await first;
    expect(nth(batches, 1).send()).to.deep.equal(["c"]);
    nth(batches, 1).answer();
    await next;
  });

  it("is not sent where it goes before its batch is", async () => {
    const { batcher, batches } = handDriven();
    const abort = new AbortController();
    const gone = errorOf(batcher.add("a", abort.signal));
    const stays = batcher.add("b", undefined);
    abort.abort(reason);
    expect(await gone).to.equal(reason);
    expect(nth(batches, 0).send()).to.deep.equal(["b"]);
    nth(batches, 0).answer();
    expect(await stays).to.equal("b!");
  });

  it("is told at once while its statement runs, and leaves the others unharmed", async () => {
    const { batcher, batches } = handDriven();
    const abort = new AbortController();
    const calls = ["a", "b", "c"].map((item) =>
      batcher.add(item, item === "b" ? abort.signal : new AbortController().signal),
    );
    const gone = errorOf(calls[1] as Promise<string>);
    nth(batches, 0).send();
    abort.abort(reason);
    expect(await gone).to.equal(reason);
    expect(nth(batches, 0).signal?.aborted).to.equal(false);
    nth(batches, 0).answer();
    expect([await calls[0], await calls[2]]).to.deep.equal(["a!", "c!"]);
  });

  it("is the last one: the statement is given up, with its reason, and nobody joins it", async () => {
    for (const isSent of [false, true]) {
      const { batcher, batches } = handDriven({ maxInFlight: 2 });
      const aborts = [new AbortController(), new AbortController()];
      const calls = aborts.map(({ signal }, index) => errorOf(batcher.add(`${index}`, signal)));
      if (isSent) nth(batches, 0).send();
      aborts[1]?.abort(new Error("first to go"));
      expect(nth(batches, 0).signal?.aborted).to.equal(false);
      aborts[0]?.abort(reason);
      expect(nth(batches, 0).signal?.reason).to.equal(reason);
      const next = batcher.add("next", undefined);
      nth(batches, 0).fail(reason);
      await Promise.all(calls);
      expect(nth(batches, 1).send()).to.deep.equal(["next"]);
      nth(batches, 1).answer();
      expect(await next).to.equal("next!");
    }
  });

  it("leaves no listener on its signal, whatever became of it", async () => {
    const { signal } = new AbortController();
    const { batcher, batches } = handDriven({ queueLimit: 0 });
    const served = batcher.add("a", signal);
    expect(getEventListeners(signal, "abort"), "the control").to.have.length(1);
    nth(batches, 0).send();
    await errorOf(batcher.add("refused", signal));
    nth(batches, 0).answer("a");
    await served;
    expect(getEventListeners(signal, "abort")).to.deep.equal([]);
  });
});

describe("batcher: failures", () => {
  it("serves each item alone where the fault may be one's, so that it alone fails", async () => {
    const { batcher, batches, alone } = handDriven();
    const calls = ["a", "bad", "c"].map((item) => batcher.add(item, undefined));
    nth(batches, 0).send();
    nth(batches, 0).fail(new Fault("one of them"));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).to.deep.equal([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    expect(alone).to.deep.equal(["a", "bad", "c"]);
  });

  it("serves nobody alone that has gone", async () => {
    const { batcher, batches, alone } = handDriven();
    const abort = new AbortController();
    const gone = errorOf(batcher.add("a", abort.signal));
    const calls = ["b", "c"].map((item) => batcher.add(item, undefined));
    nth(batches, 0).send();
    abort.abort();
    nth(batches, 0).fail(new Fault("one of them"));
    await Promise.all([gone, ...calls]);
    expect(alone).to.deep.equal(["b", "c"]);
  });

  it("gives what is served alone a signal that fires when its caller goes", async () => {
    let alone: AbortSignal | undefined;
    const reached = Promise.withResolvers<void>();
    const batcher = new Batcher<string, string>({
      name: "test",
      limits: { maxInFlight: 1, maxDelayMs: 0, maxBatch: 9, queueLimit: 9, queueTimeoutMs: 60_000 },
      execute: async (close) => close().map(() => RETRY_ALONE),
      retryAlone: {
        async execute(_item, signal) {
          alone = signal;
          reached.resolve();
          return new Promise<never>((_, reject) => {
            signal?.addEventListener("abort", () => reject(signal.reason));
          });
        },
        isRetryable: () => false,
      },
    });
    const { cancellation, listeners } = observedCancellation();
    const call = batcher.add("a", cancellation).catch((error: unknown) => error);
    await reached.promise;
    expect(alone?.aborted).to.equal(false);
    for (const listener of listeners) listener.handleEvent();
    expect(await call).to.equal("gone");
    expect(alone?.reason).to.equal("gone");
    expect(listeners.size).to.equal(0);
  });

  it("listens to nobody any more who was served, also alone", async () => {
    const { batcher, batches } = handDriven();
    const { cancellation, listeners } = observedCancellation();
    const calls = ["a", "b"].map((item) => batcher.add(item, cancellation));
    expect(listeners.size).to.equal(2);
    nth(batches, 0).answer("b");
    expect(await Promise.all(calls)).to.deep.equal(["a!", "b alone"]);
    expect(listeners.size).to.equal(0);
  });

  it("does not try again what failed by itself", async () => {
    const { batcher, batches, alone } = handDriven();
    const call = errorOf(batcher.add("a", undefined));
    const fault = new Fault("its own");
    nth(batches, 0).send();
    nth(batches, 0).fail(fault);
    expect(await call).to.equal(fault);
    expect(alone).to.deep.equal([]);
  });

  it("tells all of them of an outage, and runs nothing again: who knows what was done", async () => {
    const { batcher, batches, alone } = handDriven();
    const calls = ["a", "b"].map((item) => errorOf(batcher.add(item, undefined)));
    const outage = new SessionError("STORAGE_UNAVAILABLE");
    nth(batches, 0).send();
    nth(batches, 0).fail(outage);
    expect(await Promise.all(calls)).to.deep.equal([outage, outage]);
    expect(alone).to.deep.equal([]);
  });

  it("serves alone who could not be served with the others", async () => {
    const { batcher, batches } = handDriven();
    const calls = ["a", "b"].map((item) => batcher.add(item, undefined));
    nth(batches, 0).answer("b");
    expect(await Promise.all(calls)).to.deep.equal(["a!", "b alone"]);
  });
});

describe("batcher: whatever happens", () => {
  type Step = { kind: "add" | "send" | "answer" | "go"; which: number };
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("add", "add", "send", "answer", "go"),
    which: fc.nat(20),
  });

  it("each is served once by a statement that was sent after it came, or told why not", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(0, 1),
        async (steps, maxInFlight, maxBatch, maxDelayMs) => {
          const limits = { maxInFlight, maxDelayMs, maxBatch, queueLimit: 5 };
          const { batcher, batches } = handDriven(limits);
          const sent = new Map<string, number>();
          const calls: { abort: AbortController; outcome: Promise<unknown> }[] = [];
          const send = (index: number) => {
            const batch = batches[index];
            if (batch === undefined || batch.signal?.aborted) return;
            const items = batch.send();
            expect(items.length).to.be.within(1, maxBatch);
            for (const item of items) {
              expect(sent.get(item) ?? index, `${item} in two statements`).to.equal(index);
              sent.set(item, index);
            }
          };
          const answer = (index: number) => {
            const batch = batches[index];
            if (batch?.signal?.aborted) batch.fail(batch.signal.reason);
            else if (batch !== undefined) {
              send(index);
              batch.answer();
            }
          };
          for (const { kind, which } of steps) {
            if (kind === "add") {
              const item = `m${calls.length}`;
              const abort = new AbortController();
              const sentBefore = new Set(sent.values());
              const outcome = batcher.add(item, abort.signal).then(
                (answered) => {
                  expect(answered).to.equal(`${item}!`);
                  expect(sentBefore.has(sent.get(item) as number), "sent before").to.equal(false);
                  return "served";
                },
                (error: unknown) => error,
              );
              calls.push({ abort, outcome });
            } else if (kind === "send") send(which);
            else if (kind === "answer") answer(which);
            else calls[which]?.abort.abort("gone");
            if (which % 3 === 0) await turn();
          }
          for (let index = 0; index < batches.length; index += 1) {
            answer(index);
            await turn();
          }
          for (const { outcome } of calls) {
            const ended = await outcome;
            if (ended instanceof SessionError) expectReason(ended, "OVERLOADED");
            else expect(ended).to.be.oneOf(["served", "gone"]);
          }
        },
      ),
    );
  });
});
