import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { CODES } from "../../src/metrics/call-counters.ts";
import { expose } from "../../src/metrics/exposition.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { startTestApp } from "../support/app.ts";
import { parseScrape, scrape } from "./scrape.ts";

describe("the number of series", () => {
  it("J04: is bounded, whatever is counted: further values become one", async () => {
    using metrics = new Metrics({
      build: { version: "1", node: "24", commit: "unknown" },
      worker: 1,
    });
    for (let i = 0; i < 10_000; i += 1) {
      const any = randomUUID();
      metrics.callFailed({ rpc: any, reason: any, caller: any, limit: any });
      metrics.budgetViolated(any);
      metrics.batch(any, 1);
      metrics.meter.method(any).ended(i % CODES.length, 1);
    }
    const { body } = await expose(await metrics.snapshot(), undefined);
    const { series } = parseScrape(body.toString());
    const distinct = (name: string, label: string) =>
      new Set(series(name).map(({ labels }) => labels[label])).size;
    expect(distinct("sessiond_caller_refusals_total", "caller")).to.equal(201);
    expect(distinct("sessiond_refusals_total", "rpc")).to.equal(101);
    expect(distinct("sessiond_refusals_total", "reason")).to.equal(101);
    expect(distinct("sessiond_rpc_calls_total", "rpc")).to.equal(101);
    expect(distinct("sessiond_batch_size_count", "statement")).to.equal(50);
    const { rpc = "", caller = "" } = series("sessiond_caller_refusals_total").at(-1)?.labels ?? {};
    expect([rpc, caller]).to.deep.equal(["", "_other"]);
    const others = series("sessiond_caller_refusals_total").filter(
      ({ labels }) => labels.caller === "_other",
    );
    const counted = series("sessiond_caller_refusals_total");
    expect(
      counted.reduce((sum, { value }) => sum + value, 0),
      "none is lost",
    ).to.equal(10_000);
    expect(others.length).to.be.greaterThan(0);
  });

  it("J04: does not grow by the paths and the request ids that clients choose", async () => {
    const app = await startTestApp({ env: { SESSIOND_METRICS_PORT: "0" } });
    try {
      const send = (path: string) =>
        fetch(`${app.url}/${path}`, {
          method: "POST",
          headers: { "content-type": "application/json", "x-request-id": randomUUID() },
          body: "{}",
        }).then((response) => response.text());
      const paths = () =>
        Array.from({ length: 30 }, () => `sessiond.v1.SessionService/${randomUUID()}`);
      await Promise.all(paths().map(send));
      const before = (await scrape(app.app.metricsPort)).text.split("\n").length;
      await Promise.all(paths().map(send));
      const { text, value } = await scrape(app.app.metricsPort);
      // The first collection of garbage may have come in between.
      const lines = text.split("\n").filter((line) => !line.startsWith("nodejs_gc_")).length;
      expect(lines).to.be.at.most(before);
      const unknown = { rpc: "_other", code: "UNIMPLEMENTED" };
      expect(value("sessiond_rpc_calls_total", unknown)).to.equal(60);
    } finally {
      await app.stop();
    }
  });
});
