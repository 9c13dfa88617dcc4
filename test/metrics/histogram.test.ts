import { expect } from "chai";
import { DurationHistogram, Histogram, NATIVE_SCHEMA } from "../../src/metrics/histogram.ts";

describe("histograms", () => {
  it("count a value in the first bucket that ends at or above it", () => {
    const histogram = new Histogram([1, 2, 4]);
    for (const value of [1, 1.5, 2, 4, 5]) histogram.record(value);
    const samples = histogram.samples("size", { statement: "find" });
    const buckets = samples.filter(({ metricName }) => metricName === "size_bucket");
    expect(buckets.map(({ labels, value }) => [labels.le, value])).to.deep.equal([
      [1, 1],
      [2, 3],
      [4, 4],
      ["+Inf", 5],
    ]);
    expect(samples.slice(-2)).to.deep.equal([
      { metricName: "size_sum", labels: { statement: "find" }, value: 13.5 },
      { metricName: "size_count", labels: { statement: "find" }, value: 5 },
    ]);
  });

  it("have no series before the first value", () => {
    expect(new Histogram([1]).samples("size", {})).to.deep.equal([]);
  });

  /** The bounds of the only native bucket. */
  function nativeBounds(seconds: number): [lower: number, upper: number] | "zero" {
    const histogram = new DurationHistogram();
    histogram.record(seconds);
    const { zeroCount, buckets } = histogram.native("duration", {});
    const [bucket] = buckets;
    expect(zeroCount + buckets.length).to.equal(1);
    if (bucket === undefined) return "zero";
    const boundOf = (index: number) => 2 ** (index / 2 ** NATIVE_SCHEMA);
    return [boundOf(bucket[0] - 1), boundOf(bucket[0])];
  }

  it("J05: have a native bucket around each value, at most 9.1 % wide, and at the ends a last one", () => {
    for (let seconds = 1.1e-6; seconds < 100_000; seconds *= 1.013) {
      const [lower, upper] = nativeBounds(seconds) as [number, number];
      expect(seconds).to.be.greaterThan(lower).and.at.most(upper);
      expect(upper / lower).to.be.closeTo(2 ** 0.125, 1e-9);
    }
    expect(nativeBounds(0)).to.equal("zero");
    expect(nativeBounds(1)[1]).to.equal(1);
    expect(nativeBounds(10 ** 9)[1]).to.equal(2 ** 17);
  });
});
