import { expect } from "chai";
import { Outage } from "../../src/log/outage.ts";

describe("Outage", () => {
  let outage: Outage;
  beforeEach(() => {
    outage = new Outage();
  });

  it("begins with the first failure only", () => {
    expect(outage.active).to.equal(false);
    expect(outage.callFailed("a", 0)).to.equal(true);
    expect(outage.active).to.equal(true);
    expect(outage.callFailed("a", 1)).to.equal(false);
  });

  it("reports every ten seconds how many calls failed since the last report, by RPC", () => {
    outage.callFailed("first", 0);
    outage.callFailed("a", 1);
    outage.callFailed("b", 5000);
    outage.callFailed("a", 9998);
    expect(outage.report(9999)).to.equal(undefined);
    expect(outage.report(10_000)).to.deep.equal({ failed: 3, rpcs: { a: 2, b: 1 }, seconds: 10 });
    outage.callFailed("b", 10_001);
    expect(outage.report(19_999)).to.equal(undefined);
    expect(outage.report(20_000)).to.deep.equal({ failed: 1, rpcs: { b: 1 }, seconds: 20 });
  });

  it("reports nothing while nothing fails, before it begins and after it has ended", () => {
    expect(outage.report(100_000)).to.equal(undefined);
    outage.callFailed("a", 100_000);
    expect(outage.report(110_000)).to.equal(undefined);
    outage.callFailed("a", 110_001);
    outage.callSucceeded(120_000);
    expect(outage.report(130_000)).to.equal(undefined);
  });

  it("ends with the first success after a second without failures", () => {
    outage.callFailed("a", 0);
    outage.callFailed("a", 500);
    expect(outage.callSucceeded(1499)).to.equal(undefined);
    expect(outage.active).to.equal(true);
    expect(outage.callSucceeded(1500)).to.deep.equal({ failed: 2, seconds: 1.5 });
    expect(outage.active).to.equal(false);
    expect(outage.callSucceeded(1501)).to.equal(undefined);
  });

  it("goes on while calls succeed and fail in turns", () => {
    for (let now = 0; now < 5000; now += 500) {
      expect(outage.callFailed("a", now)).to.equal(now === 0);
      expect(outage.callSucceeded(now + 250)).to.equal(undefined);
    }
    expect(outage.callSucceeded(6000)).to.deep.equal({ failed: 10, seconds: 6 });
  });

  it("counts the next one anew", () => {
    outage.callFailed("a", 0);
    outage.callFailed("a", 1);
    outage.callSucceeded(2000);
    expect(outage.callFailed("b", 3000)).to.equal(true);
    outage.callFailed("b", 3001);
    expect(outage.report(13_000)).to.deep.equal({ failed: 1, rpcs: { b: 1 }, seconds: 10 });
    expect(outage.callSucceeded(14_000)).to.deep.equal({ failed: 2, seconds: 11 });
  });
});
