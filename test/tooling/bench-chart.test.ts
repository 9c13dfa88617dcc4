import { expect } from "chai";
import { drawChart } from "../../bench/chart.ts";
import type { Sample } from "../../bench/sample.ts";

function sample(system: string, inFlight: number, perSecond: number, cpuUs?: number): Sample {
  return {
    system,
    inFlight,
    perSecond,
    round: 1,
    calls: 1,
    errors: 0,
    seconds: 1,
    p50Us: 1,
    p99Us: 1,
    serverCpuUs: cpuUs,
    databaseCpuUs: undefined,
    peakMemoryBytes: undefined,
    generatorCpuShare: undefined,
  };
}

function widths(svg: string): number[] {
  return [...svg.matchAll(/<rect [^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));
}

describe("the benchmark's chart", () => {
  it("draws bars in proportion, ours in a colour of their own", () => {
    const svg = drawChart([sample("grpc-js", 64, 10_000), sample("validate", 64, 20_000)]);
    const [other, ours] = widths(svg);
    expect((ours ?? 0) / (other ?? 0)).to.be.closeTo(2, 0.01);
    expect(svg.match(/class="ours"/g)).to.have.length(1);
    expect(svg).to.contain(">20,000<");
  });

  it("shows 64 calls in flight, and CPU where it was measured", () => {
    const svg = drawChart([sample("validate", 1, 900), sample("validate", 64, 20_000)]);
    expect(widths(svg)).to.have.length(1);
    expect(widths(drawChart([sample("validate", 64, 20_000, 60)]))).to.have.length(2);
  });

  it("is an image without anything to fetch, for light and for dark pages", () => {
    const svg = drawChart([sample("connect", 64, 1), sample("<&>", 64, 1)]);
    expect(svg).to.contain("prefers-color-scheme: dark").and.to.contain("&lt;&amp;&gt;");
    expect(svg).not.to.match(/<script|href=|url\(/);
  });
});
