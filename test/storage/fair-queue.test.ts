import { expect } from "chai";
import fc from "fast-check";
import { FairQueue } from "../../src/storage/pg/fair-queue.ts";

interface Entry {
  readonly clientKey: string;
  readonly queuedAt: number;
}

/** A queue with an entry for each letter: the letter is the client's key, its index the time. */
function queueOf(clients: string): FairQueue<Entry> {
  const queue = new FairQueue<Entry>();
  for (const [queuedAt, clientKey] of [...clients].entries()) queue.add({ clientKey, queuedAt });
  return queue;
}

/** Takes up to `count` entries, without those of the clients in `refused`. */
function take(queue: FairQueue<Entry>, count: number, refused = ""): string {
  const taken: Entry[] = [];
  queue.take(
    (entry) => {
      if (refused.includes(entry.clientKey)) return false;
      taken.push(entry);
      return true;
    },
    () => taken.length >= count,
  );
  return taken.map(({ clientKey, queuedAt }) => `${clientKey}${queuedAt}`).join(" ");
}

describe("fair queue (F12)", () => {
  it("takes the entries of one client in their order", () => {
    const queue = queueOf("aaaa");
    expect(take(queue, 3)).to.equal("a0 a1 a2");
    expect(take(queue, 3)).to.equal("a3");
    expect(queue.size).to.equal(0);
  });

  it("lets a client with one entry wait for one entry of each other client", () => {
    expect(take(queueOf("aaaaaab"), 2)).to.equal("a0 b6");
    expect(take(queueOf("aaabbbc"), 7)).to.equal("a0 b3 c6 a1 b4 a2 b5");
  });

  it("goes on with the client whose turn it is", () => {
    const queue = queueOf("aaabbb");
    expect(take(queue, 1)).to.equal("a0");
    expect(take(queue, 1)).to.equal("b3");
    expect(take(queue, 2)).to.equal("a1 b4");
  });

  it("keeps what is not accepted, and its client's turn comes first", () => {
    const queue = queueOf("aabb");
    expect(take(queue, 4, "a")).to.equal("b2 b3");
    expect(queue.size).to.equal(2);
    queue.add({ clientKey: "b", queuedAt: 4 });
    expect(take(queue, 2)).to.equal("a0 b4");
  });

  it("knows the oldest entry, and takes those that are too old", () => {
    const queue = queueOf("abab");
    expect(queue.oldest).to.deep.equal({ clientKey: "a", queuedAt: 0 });
    expect(queue.takeOlderThan(2).map(({ queuedAt }) => queuedAt)).to.have.members([0, 1, 2]);
    expect(queue.oldest).to.deep.equal({ clientKey: "b", queuedAt: 3 });
  });

  it("makes room at the cost of the client with the most entries, its newest one first", () => {
    const queue = queueOf("aabaa");
    expect(queue.makeRoom("b")).to.deep.equal({ clientKey: "a", queuedAt: 4 });
    expect(queue.makeRoom("c")).to.deep.equal({ clientKey: "a", queuedAt: 3 });
    expect(queue.makeRoom("a"), "its own are the most").to.equal(undefined);
    expect(queue.makeRoom("b"), "it would have as many").to.equal(undefined);
    expect(queue.size).to.equal(3);
  });

  it("never loses or doubles an entry, and no client waits for two entries of another", () => {
    const clients = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 40 });
    fc.assert(
      fc.property(clients, fc.nat(10), (keys, count) => {
        const queue = queueOf(keys.join(""));
        const turns = [take(queue, count), take(queue, 40)].join(" ").trim();
        const taken = turns === "" ? [] : turns.split(" ");
        expect(new Set(taken).size).to.equal(taken.length);
        expect(taken).to.have.members(keys.map((key, index) => `${key}${index}`));
        for (const key of new Set(keys)) {
          // While it has entries left, nobody else has two turns between two of its own.
          const own = taken.flatMap((name, index) => (name.startsWith(key) ? [index] : []));
          for (const [index, end] of own.entries()) {
            const between = taken.slice((own[index - 1] ?? -1) + 1, end);
            const others = between.map((name) => name[0]);
            expect(new Set(others).size).to.equal(others.length);
          }
        }
      }),
    );
  });
});
