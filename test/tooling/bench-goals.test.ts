import { expect } from "chai";
import { goalsTable, summarise, warmUpNote } from "../../bench/format.ts";
import { compareSystems, ENGINE_SYSTEMS, evaluateGoal, pairedRatios } from "../../bench/goals.ts";
import { evaluateIdle } from "../../bench/idle.ts";
import { evaluateMemory, type MemoryResult } from "../../bench/memory.ts";
import type { Sample } from "../../bench/sample.ts";
import { PGBENCH, SYSTEMS } from "../../bench/systems.ts";

function sample(system: string, round: number, perSecond: number, more = {}): Sample {
  return {
    system,
    round,
    perSecond,
    inFlight: 64,
    calls: 1000,
    errors: 0,
    seconds: 1,
    p50Us: 100,
    p99Us: 200,
    serverCpuUs: undefined,
    databaseCpuUs: undefined,
    peakMemoryBytes: undefined,
    generatorCpuShare: undefined,
    ...more,
  };
}

const AGAINST_GRPC_JS = {
  of: { system: "validate", figure: "perSecond", inFlight: 64 },
  against: { system: "grpc-js", figure: "perSecond", inFlight: 64 },
} as const;

describe("the benchmark's goals", () => {
  it("compare within each round, so that a machine that slows down changes nothing", () => {
    const samples = [
      sample("grpc-js", 1, 1000),
      sample("validate", 1, 1500),
      sample("grpc-js", 2, 100),
      sample("validate", 2, 150),
    ];
    expect(pairedRatios(samples, AGAINST_GRPC_JS)).to.deep.equal([1.5, 1.5]);
  });

  it("leave out a round that lacks one of the two, and other numbers of calls in flight", () => {
    const samples = [
      sample("grpc-js", 1, 1000),
      sample("validate", 1, 1500, { inFlight: 256 }),
      sample("grpc-js", 2, 1000),
      sample("validate", 2, 900),
    ];
    expect(pairedRatios(samples, AGAINST_GRPC_JS)).to.deep.equal([0.9]);
  });

  it("are reached on the bound and not beyond it", () => {
    expect(evaluateGoal("a", { at: "least", value: 1 }, [1]).reached).to.equal(true);
    expect(evaluateGoal("a", { at: "least", value: 1 }, [0.999]).reached).to.equal(false);
    expect(evaluateGoal("a", { at: "most", value: 1.2 }, [1.2]).reached).to.equal(true);
    expect(evaluateGoal("a", { at: "most", value: 1.2 }, [1.201]).reached).to.equal(false);
  });

  it("go by the median of the rounds", () => {
    const { measured, reached } = evaluateGoal("a", { at: "least", value: 1 }, [0.1, 1.1, 1.2]);
    expect(measured).to.deep.equal({ median: 1.1, min: 0.1, max: 1.2, count: 3 });
    expect(reached).to.equal(true);
  });

  it("are neither reached nor missed where nothing was measured", () => {
    expect(evaluateGoal("a", { at: "least", value: 1 }, [undefined]).reached).to.equal(undefined);
    expect(compareSystems([])).to.deep.equal([]);
  });

  it("show what is missing where only a part was measured", () => {
    const goals = compareSystems([sample("create", 1, 1000)]);
    expect(goals).to.have.length(1);
    expect(goalsTable(goals)).to.match(/pgbench.* ≥ 1.5 +– +–$/m);
  });

  it("say the median with its extremes, and whether that is enough", () => {
    const rounds = [1, 2, 3].flatMap((round) => [
      sample("grpc-js", round, 1000),
      sample("validate", round, 1900 + round * 100),
    ]);
    const shown = goalsTable(compareSystems(rounds));
    expect(shown).to.match(/empty grpc-js handler, 64 in flight +≥ 2 +2.10 \(2.00–2.20\) +yes/);
  });
});

describe("the benchmark's figures without a ratio of calls", () => {
  const memory: MemoryResult = {
    inFlight: 10_000,
    connections: 1000,
    calls: 1,
    p99Us: 1,
    fresh: 90e6,
    before: 100e6,
    peak: 250e6,
    after: 121e6,
    afterOrdinaryLoad: 120e6,
  };

  it("are the peak of memory, and what is left of it against what was there before", () => {
    const goals = evaluateMemory([memory, { ...memory, peak: 240e6 }, { ...memory, peak: 900e6 }]);
    expect(goals.map(({ reached }) => reached)).to.deep.equal([true, false, true]);
    expect(goalsTable(goals)).to.match(/≤ 250 MB +250 MB \(240 MB–900 MB\) +yes/);
  });

  it("are the memory that each idle connection adds", () => {
    const idle = evaluateIdle([{ connections: 10_000, before: 100e6, open: 152e6 }]);
    expect(goalsTable([idle])).to.match(/≤ 5 KB +5.2 KB +no/);
    const unknown = evaluateIdle([{ connections: 10_000, before: undefined, open: 152e6 }]);
    expect(unknown.reached).to.equal(undefined);
  });

  it("are shown without a goal where there is none", () => {
    const goal = evaluateGoal("a", undefined, [1.5]);
    expect(goal).to.include({ goal: undefined, reached: undefined });
    expect(goalsTable([goal])).to.match(/^a +– +1.50 +–$/m);
  });
});

describe("the benchmark's selection for the engine's goals", () => {
  it("has systems that exist, and not those that none of these goals needs", () => {
    expect([...SYSTEMS.map(({ name }) => name), PGBENCH]).to.include.members([...ENGINE_SYSTEMS]);
    expect(ENGINE_SYSTEMS).to.include.members(["validate", "raw-http2", "express-touch", PGBENCH]);
    expect(ENGINE_SYSTEMS).not.to.include("connect");
  });
});

describe("the benchmark's warm-up", () => {
  it("is named where it has ended without steady rates", () => {
    const steady = { system: "validate", round: 1, seconds: 3, steady: true };
    expect(warmUpNote([steady])).to.equal("Each warm-up took 3.0 s.");
    expect(warmUpNote([steady, { ...steady, round: 2, seconds: 20, steady: false }])).to.match(
      /took 11.5 \(3.0–20.0\) s\. .*not steady yet: sessiond Validate in round 2\.$/,
    );
  });
});

describe("the benchmark's summary", () => {
  it("has a line for each system and number of calls in flight", () => {
    const samples = [
      sample("validate", 1, 10),
      sample("validate", 2, 30),
      sample("validate", 1, 99, { inFlight: 256 }),
    ];
    const [at64, at256] = summarise(samples);
    expect(at64?.figures.perSecond).to.deep.equal({ median: 20, min: 10, max: 30, count: 2 });
    expect(at64?.figures).not.to.have.property("serverCpuUs");
    expect(at256).to.include({ system: "validate", inFlight: 256 });
  });
});
