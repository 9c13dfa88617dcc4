import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { fillTables, mergeResults } from "../../bench/document-tables.ts";
import type { Result } from "../../bench/report.ts";
import type { Sample } from "../../bench/sample.ts";

function sample(system: string, round: number, perSecond: number): Sample {
  return {
    system,
    round,
    perSecond,
    inFlight: 64,
    calls: 1,
    errors: 0,
    seconds: 1,
    p50Us: 1000,
    p99Us: 2000,
    serverCpuUs: 10,
    databaseCpuUs: undefined,
    peakMemoryBytes: 90e6,
    generatorCpuShare: undefined,
  };
}

function page(name: string): string {
  return `before\n<!-- table: ${name} -->\nold\n<!-- end -->\nafter\n`;
}

const systems = [1, 2, 3].flatMap((round) => [
  sample("grpc-js", round, 1000),
  sample("validate", round, 1000 + 500 * round),
]);

describe("the benchmark's tables in docs/performance.md", () => {
  it("are those of the results in the repository", () => {
    const directory = new URL("../../bench/results/", import.meta.url);
    const results = readdirSync(directory)
      .filter((name) => /^reference.*\.json$/.test(name))
      .map((name): Result => JSON.parse(readFileSync(new URL(name, directory), "utf8")));
    const text = readFileSync(new URL("../../docs/performance.md", import.meta.url), "utf8");
    expect(fillTables(text, mergeResults(results))).to.equal(text);
  });

  it("say which goals are reached, missed and not measured", () => {
    const filled = fillTables(page("goals"), { systems });
    expect(filled).to.match(
      /^before\n<!-- table: goals -->\n\n\| figure .*<!-- end -->\nafter\n$/s,
    );
    expect(filled).to.contain(
      "grpc-js handler, 64 in flight | ≥ 2 | 2.00 (1.50 to 2.50) | reached |",
    );
    expect(filled).to.match(
      /CPU .* grpc-js handler, 64 in flight \| ≤ 0.4 \| 1.00 .* \| missed \|/,
    );
    expect(filled).to.match(/idle connections \| ≤ 5 KB \| – \| not measured \|/);
    expect(fillTables(filled, { systems })).to.equal(filled);
  });

  it("have the figures of each system", () => {
    expect(fillTables(page("systems"), { systems })).to.contain(
      "| sessiond Validate | 64 | 2,000 (1,500 to 2,500) | 1.00 (1.00 to 1.00) |",
    );
  });

  it("have a column for each profile", () => {
    const shares = [{ purpose: "garbage collection", share: 0.104 }];
    const profile = [
      { system: "validate", inFlight: 64, serverCpuUs: 30, shares, modules: [] },
      { system: "grpc-js", inFlight: 64, serverCpuUs: 80, shares: [], modules: [] },
    ];
    const filled = fillTables(page("profile"), { profile });
    expect(filled).to.contain(
      "| part | sessiond Validate, 64 | @grpc/grpc-js, empty handler, 64 |",
    );
    expect(filled).to.contain("| garbage collection | 10 % | – |");
  });

  it("stay as they are without results, and must be known", () => {
    expect(fillTables(page("memory"), {})).to.equal(page("memory"));
    expect(() => fillTables(page("weather"), {})).to.throw("an unknown table: weather");
  });

  it("take each part from the newest result that has it", () => {
    const older = { startedAt: "2026-01-01", systems: [], growth: [] } as unknown as Result;
    const newer = { startedAt: "2026-02-01", systems } as unknown as Result;
    expect(mergeResults([newer, older])).to.include({ systems });
    expect(mergeResults([newer, older]).growth).to.deep.equal([]);
  });
});
