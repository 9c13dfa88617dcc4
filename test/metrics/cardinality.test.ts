import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { CODES } from "../../src/metrics/call-counters.ts";
import { expose } from "../../src/metrics/exposition.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { startTestApp } from "../support/app.ts";
import { until } from "../support/until.ts";
import { parseScrape, type Scrape, scrape } from "./scrape.ts";

/** Without those that come with the first garbage collection and with each measured delay. */
const seriesIn = ({ text }: Scrape) =>
  text.split("\n").filter((line) => !/^(nodejs_gc_|sessiond_event_loop_delay_)/.test(line)).length;

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
      const count = 30;
      const paths = () =>
        Array.from({ length: count }, () => `sessiond.v1.SessionService/${randomUUID()}`);
      await Promise.all(paths().map(send));
      // They are read in the background.
      const before = await until("the ages of the keys are known", async () => {
        const first = await scrape(app.app.metricsPort);
        return first.series("sessiond_signing_key_age_seconds").length > 0 && seriesIn(first);
      });
      await Promise.all(paths().map(send));
      const after = await scrape(app.app.metricsPort);
      expect(seriesIn(after)).to.be.at.most(before);
      const unknown = { rpc: "_other", code: "UNIMPLEMENTED" };
      expect(after.value("sessiond_rpc_calls_total", unknown)).to.equal(2 * count);
    } finally {
      await app.stop();
    }
  });
});
