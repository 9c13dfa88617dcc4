import { mock } from "node:test";
import { expect } from "chai";
import { throttledReport } from "../../src/jobs/throttled-report.ts";

describe("throttled report", () => {
  beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
  afterEach(() => mock.timers.reset());

  function start() {
    let reports = 0;
    const report = throttledReport(60_000, () => {
      reports += 1;
    });
    return { ...report, reports: () => reports };
  }

  it("reports at once, then once in each interval in which something happens", () => {
    const { notify, reports } = start();
    notify();
    notify();
    expect(reports()).to.equal(1);
    mock.timers.tick(59_999);
    expect(reports()).to.equal(1);
    mock.timers.tick(1);
    expect(reports()).to.equal(2);
    mock.timers.tick(60_000);
    expect(reports()).to.equal(2);
    notify();
    expect(reports()).to.equal(3);
  });

  it("reports the rest when it stops, and nothing afterwards", () => {
    const { notify, stop, reports } = start();
    notify();
    notify();
    stop();
    expect(reports()).to.equal(2);
    notify();
    mock.timers.tick(60_000);
    expect(reports()).to.equal(2);
  });

  it("reports nothing when it stops if nothing happened since", () => {
    const { notify, stop, reports } = start();
    notify();
    stop();
    expect(reports()).to.equal(1);
  });
});
