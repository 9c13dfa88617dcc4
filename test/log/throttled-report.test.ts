import { mock } from "node:test";
import { expect } from "chai";
import { throttledReport } from "../../src/log/throttled-report.ts";

describe("throttled report", () => {
  beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
  afterEach(() => mock.timers.reset());

  function start() {
    const reports: string[] = [];
    const report = throttledReport<string>(60_000, (count, latest) =>
      reports.push(`${count}, ${latest}`),
    );
    return { ...report, reports };
  }

  it("reports at once, then once in each interval in which something happens", () => {
    const { notify, reports } = start();
    notify("a");
    notify("b");
    notify("c");
    expect(reports).to.deep.equal(["1, a"]);
    mock.timers.tick(59_999);
    expect(reports).to.deep.equal(["1, a"]);
    mock.timers.tick(1);
    expect(reports).to.deep.equal(["1, a", "2, c"]);
    mock.timers.tick(60_000);
    expect(reports).to.have.lengthOf(2);
    notify("d");
    expect(reports).to.deep.equal(["1, a", "2, c", "1, d"]);
  });

  it("reports the rest when it stops, and nothing afterwards", () => {
    const { notify, stop, reports } = start();
    notify("a");
    notify("b");
    stop();
    expect(reports).to.deep.equal(["1, a", "1, b"]);
    notify("c");
    mock.timers.tick(60_000);
    expect(reports).to.have.lengthOf(2);
  });

  it("reports nothing when it stops if nothing happened since", () => {
    const { notify, stop, reports } = start();
    notify("a");
    stop();
    expect(reports).to.deep.equal(["1, a"]);
  });
});
