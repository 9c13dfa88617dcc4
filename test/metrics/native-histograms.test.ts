import { expect } from "chai";
import { startMetricsListener } from "../../src/metrics/listener.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { until } from "../support/until.ts";
import { findPrometheus, startPrometheus } from "./prometheus.ts";
import { scrape } from "./scrape.ts";

const VALIDATE = "sessiond.v1.SessionService/Validate";
const COUNT = 1000;

describe("native histograms in Prometheus", () => {
  it("J05: are read, and agree with the classic ones and with the values", async function () {
    const program = findPrometheus("prometheus");
    if (program === undefined) this.skip();
    using metrics = new Metrics({
      build: { version: "1", node: "24", commit: "unknown" },
      worker: 1,
    });
    await using listener = await startMetricsListener({
      host: "127.0.0.1",
      port: 0,
      scrape: () => metrics.snapshot(),
      ready: () => ({ isReady: true }),
      onError: (error) => {
        throw error;
      },
    });
    // 1 ms to 1 s, in equal steps: the quantile q is q s.
    for (let ms = 1; ms <= COUNT; ms += 1) metrics.meter.method(VALIDATE).ended(undefined, ms);
    metrics.meter.method(VALIDATE).ended(undefined, 0);
    metrics.meter.method("sessiond.v1.SessionService/Get").ended(14, 0.0002);
    await using prometheus = await startPrometheus({
      program,
      nativeHistograms: true,
      config: {
        global: { scrape_interval: "1s" },
        scrape_configs: [
          {
            job_name: "sessiond",
            static_configs: [{ targets: [`127.0.0.1:${listener.port}`] }],
          },
        ],
      },
    });
    const valueAt = async (expression: string) => {
      const [series] = await prometheus.query(expression);
      return series?.value === undefined ? undefined : Number(series.value[1]);
    };
    const name = "sessiond_rpc_duration_seconds";
    const native = `${name}{rpc="${VALIDATE}"}`;
    await until("Prometheus has scraped", async () => {
      return (await valueAt(`histogram_count(${native})`)) !== undefined;
    });
    expect(await valueAt("up")).to.equal(1);
    expect(await valueAt(`histogram_count(${native})`)).to.equal(COUNT + 1);
    expect(await valueAt(`histogram_sum(${native})`)).to.be.closeTo(500.5, 0.001);
    expect(await valueAt('sessiond_rpc_calls_total{code="UNAVAILABLE"}')).to.equal(1);

    const { series } = await scrape(listener.port);
    const buckets = series(`${name}_bucket`).filter(({ labels }) => labels.rpc === VALIDATE);
    for (const quantile of [0.01, 0.1, 0.5, 0.9, 0.99]) {
      const estimated = (await valueAt(`histogram_quantile(${quantile}, ${native})`)) ?? 0;
      expect(estimated, `quantile ${quantile}`).to.be.within(quantile / 1.091, quantile * 1.091);
      const rank = quantile * (COUNT + 1);
      const upper = buckets.find(({ value }) => value >= rank);
      const lower = buckets.findLast(({ value }) => value < rank);
      expect(estimated).to.be.within(Number(lower?.labels.le ?? 0), Number(upper?.labels.le));
    }
    // Part of a bucket, as of a value within it.
    const fraction = await valueAt(`histogram_fraction(0, 0.5, ${native})`);
    expect(fraction).to.be.closeTo(0.5, 0.03);
    const zero = await valueAt(`histogram_fraction(0, 0.0000005, ${native})`);
    expect(zero).to.be.greaterThan(0);
  });
});
