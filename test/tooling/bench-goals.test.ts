import { expect } from "chai";
import { goalsTable, summarise, warmUpNote } from "../../bench/format.ts";
import { compareSystems, evaluateGoal, pairedRatios } from "../../bench/goals.ts";
import type { Sample } from "../../bench/sample.ts";

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
    expect(goalsTable(goals)).to.match(/pgbench.* ≥ 2 +– +–$/m);
  });

  it("say the median with its extremes, and whether that is enough", () => {
    const rounds = [1, 2, 3].flatMap((round) => [
      sample("grpc-js", round, 1000),
      sample("validate", round, 900 + round * 100),
    ]);
    const shown = goalsTable(compareSystems(rounds));
    expect(shown).to.match(
      /empty @grpc\/grpc-js handler, 64 in flight +≥ 1 +1.10 \(1.00–1.20\) +yes/,
    );
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
