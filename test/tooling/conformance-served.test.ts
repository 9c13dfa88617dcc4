import { expect } from "chai";
import { isWholeRun, type Served, sumByTransport } from "../conformance/served.ts";

const served = (httpVersion: number, tls: boolean, unaryCalls = 2): Served => ({
  httpVersion,
  tls,
  unaryCalls,
  fastPathCalls: httpVersion === 2 ? unaryCalls - 1 : 0,
});

describe("what a conformance run has served", () => {
  const whole = [served(1, false), served(1, true), served(2, false), served(2, true)];

  it("is added up for each version of HTTP, with TLS and without", () => {
    expect(sumByTransport([...whole, served(2, true, 5)])).to.deep.equal([
      ...whole.slice(0, 3),
      { httpVersion: 2, tls: true, unaryCalls: 7, fastPathCalls: 5 },
    ]);
    expect(isWholeRun(sumByTransport(whole))).to.equal(true);
  });

  for (const [index, { httpVersion, tls }] of whole.entries()) {
    it(`is not a whole run without HTTP/${httpVersion} ${tls ? "with" : "without"} TLS`, () => {
      expect(isWholeRun(sumByTransport(whole.toSpliced(index, 1)))).to.equal(false);
    });
  }

  it("is not a whole run if the fast path has served nothing", () => {
    const without = whole.map((one) => ({ ...one, fastPathCalls: 0 }));
    expect(isWholeRun(sumByTransport(without))).to.equal(false);
  });
});
