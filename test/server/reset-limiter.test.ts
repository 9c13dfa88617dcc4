import { expect } from "chai";
import { ResetLimiter } from "../../src/server/reset-limiter.ts";

const maxConcurrentStreams = 100;

describe("reset limiter", () => {
  let now: number;
  let limiter: ResetLimiter;

  beforeEach(() => {
    now = 0;
    limiter = new ResetLimiter(maxConcurrentStreams, () => now);
  });

  /** How many of these resets a connection may have. */
  function allowed(
    count: number,
    {
      peer = "a",
      ageMs = 0,
      deadlineMs = undefined as number | undefined,
      connection = limiter.connection(peer),
    } = {},
  ): number {
    return Array.from({ length: count }, () => connection.allow(ageMs, deadlineMs)).filter(Boolean)
      .length;
  }

  it("allows as many at once as a connection may have streams, then a tenth a second", () => {
    const connection = limiter.connection("a");
    expect(allowed(500, { connection })).to.equal(100);
    now = 1000;
    expect(allowed(500, { connection })).to.equal(10);
    now = 100_000;
    expect(allowed(500, { connection })).to.equal(100);
  });

  it("does not let a peer have more by connecting again, nor take from another", () => {
    const counts = Array.from({ length: 6 }, () => allowed(90));
    expect(counts).to.deep.equal([90, 90, 90, 90, 40, 0]);
    expect(allowed(90, { peer: "b" })).to.equal(90);
  });

  it("remembers an attacker among more peers than it can remember", () => {
    expect(allowed(500)).to.equal(100);
    for (let i = 0; i < 20_000; i += 1) {
      allowed(1, { peer: `peer ${i}` });
      if (i % 5000 === 0) expect(allowed(1)).to.equal(0);
    }
    expect(allowed(1)).to.equal(0);
  });

  it("does not count calls that were given up late", () => {
    expect(allowed(500, { ageMs: 10 })).to.equal(500);
    expect(allowed(500, { ageMs: 9.9 })).to.equal(100);
  });

  it("does not count calls whose deadline may have passed", () => {
    expect(allowed(500, { ageMs: 5, deadlineMs: 10 })).to.equal(500);
    expect(allowed(500, { ageMs: 4.9, deadlineMs: 10 })).to.equal(100);
  });

  it("counts calls with a deadline that no honest client has", () => {
    expect(allowed(500, { ageMs: 0.1, deadlineMs: 1e-6 })).to.equal(100);
  });
});
