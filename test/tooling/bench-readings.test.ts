import { expect } from "chai";
import { complaint, type LoadResult } from "../../bench/load.ts";
import { parseReport } from "../../bench/pgbench.ts";
import { parseStat } from "../../bench/proc.ts";

describe("what the benchmark reads of others", () => {
  it("is a process's parent and CPU, whatever its command is called", () => {
    const text =
      "4242 (a (very) odd name) S 17 4242 4242 0 -1 4194560 900 80 0 0 150 50 30 20 20 0 7 0 1 2 3";
    expect(parseStat(text)).to.deep.equal({
      command: "a (very) odd name",
      parent: 17,
      cpuSeconds: 2,
      endedChildrenCpuSeconds: 0.5,
    });
  });

  it("is pgbench's rate without the time that it took to connect", () => {
    const report = `transaction type: insert.sql
number of transactions actually processed: 12345
number of failed transactions: 0 (0.000%)
latency average = 1.944 ms
initial connection time = 18.021 ms
tps = 4115.0 (without initial connection time)
`;
    expect(parseReport(report)).to.deep.equal({ calls: 12345, perSecond: 4115, seconds: 3 });
  });

  it("is no report of pgbench's if it has no figures", () => {
    expect(() => parseReport("pgbench: error")).to.throw("pgbench did not report");
  });

  const result = { calls: 10, errors: 0, statuses: {}, samples: {} } as LoadResult;

  it("is a complaint when an answer was wrong, or when there was none", () => {
    expect(complaint(result)).to.equal(undefined);
    expect(complaint({ ...result, errors: 2, samples: { 14: "away" } })).to.equal(
      '2 of 12 answers were errors: {"14":"away"}',
    );
    expect(complaint({ ...result, calls: 0 })).to.match(/^0 of 0 answers/);
  });
});
