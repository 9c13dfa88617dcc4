import { expect } from "chai";
import { median, quantile, ratio, spreadOf } from "../../bench/statistics.ts";

describe("the benchmark's statistics", () => {
  it("take the value in the middle, or the mean of the two there", () => {
    expect(median([3, 1, 2])).to.equal(2);
    expect(median([4, 1, 3, 2])).to.equal(2.5);
    expect(median([7])).to.equal(7);
    expect(median([])).to.equal(undefined);
  });

  it("order numbers as numbers and leave the list as it is", () => {
    const values = [100, 9, 20];
    expect(median(values)).to.equal(20);
    expect(values).to.deep.equal([100, 9, 20]);
  });

  it("leave out what was not measured", () => {
    expect(spreadOf([undefined, 4, 2, 6])).to.deep.equal({ median: 4, min: 2, max: 6, count: 3 });
    expect(spreadOf([undefined])).to.equal(undefined);
  });

  it("have no ratio with a part missing or nothing to divide by", () => {
    expect(ratio(3, 2)).to.equal(1.5);
    expect(ratio(undefined, 2)).to.equal(undefined);
    expect(ratio(3, undefined)).to.equal(undefined);
    expect(ratio(3, 0)).to.equal(undefined);
  });

  it("find the smallest value that a share does not exceed", () => {
    const sorted = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(quantile(sorted, 0.5)).to.equal(50);
    expect(quantile(sorted, 0.99)).to.equal(99);
    expect(quantile(sorted, 1)).to.equal(100);
    expect(quantile([5], 0.5)).to.equal(5);
    expect(quantile([], 0.5)).to.equal(undefined);
  });
});
