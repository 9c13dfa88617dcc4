import { expect } from "chai";
import { OptionError, PARTS, parseOptions } from "../../bench/options.ts";

describe("the benchmark's options", () => {
  it("measure everything with a million sessions unless told otherwise", () => {
    const options = parseOptions([]);
    const parts = PARTS.filter((part) => !["versions", "tracing", "profile"].includes(part));
    expect([...options.parts]).to.deep.equal(parts);
    const compared = parseOptions(["--against", "../other"]);
    expect([...compared.parts]).to.deep.equal([...parts, "versions"]);
    expect(options).to.include({ sessions: 1_000_000, rounds: 5, durationMs: 3000, quick: false });
    expect(options).to.include({ warmUpMs: 20_000, engine: false });
    expect(options.levels).to.deep.equal([1, 16, 64, 256]);
    expect(options.growth).to.deep.equal([10_000, 1_000_000, 10_000_000]);
    expect(options.systems).to.equal(undefined);
  });

  it("are smaller with --quick, each of them unless it is given", () => {
    const options = parseOptions(["--quick", "--rounds", "2"]);
    expect([...options.parts]).to.deep.equal(["systems"]);
    expect(options).to.include({ sessions: 100_000, rounds: 2, durationMs: 1000, warmUpMs: 4000 });
    expect(options.levels).to.deep.equal([1, 64]);
  });

  it("take lists of names and numbers, the numbers in their order and once", () => {
    const options = parseOptions(["--only", "growth,writes", "--levels", "64, 1,64"]);
    expect([...options.parts]).to.deep.equal(["growth", "writes"]);
    expect(options.levels).to.deep.equal([1, 64]);
    expect(parseOptions(["--systems", "validate,create"]).systems).to.deep.equal([
      "validate",
      "create",
    ]);
  });

  it("have a name for the parts that measure the engine's goals", () => {
    const options = parseOptions(["--only", "engine,growth"]);
    expect([...options.parts]).to.deep.equal(["systems", "memory", "idle", "growth"]);
    expect(options).to.include({ engine: true, rounds: 5 });
    expect(options.levels).to.deep.equal([1, 64, 256]);
    expect(parseOptions(["--only", "systems"]).engine).to.equal(false);
  });

  it("only profile with --profile, unless other parts are named", () => {
    const { parts, profile } = parseOptions(["--profile", "validate,grpc-js"]);
    expect([...parts]).to.deep.equal(["profile"]);
    expect(profile).to.deep.equal(["validate", "grpc-js"]);
    const both = parseOptions(["--profile", "validate", "--only", "memory"]);
    expect([...both.parts]).to.deep.equal(["memory", "profile"]);
  });

  const durations: [text: string, ms: number][] = [
    ["100ms", 100],
    ["1500ms", 1500],
    ["2.5s", 2500],
    ["60m", 3_600_000],
  ];
  for (const [text, ms] of durations) {
    it(`take ${text} for ${ms} milliseconds`, () => {
      expect(parseOptions(["--duration", text]).durationMs).to.equal(ms);
    });
  }

  const refused: [args: string[], message: RegExp][] = [
    [["--fast"], /^Unknown option '--fast' \(see --help\)$/],
    [["growth"], /^Unexpected argument 'growth'/],
    [["--only", "growht"], /^--only does not know "growht": it takes systems, growth/],
    [["--only", "profile"], /^the part "profile" needs --profile$/],
    [["--only", ""], /^--only must be names separated by commas/],
    [["--warm-up", "0s"], /^--warm-up must be a time from 100ms to 60m/],
    [["--sessions", "1e6"], /^--sessions must be a whole number of at least 1000, not "1e6"/],
    [["--sessions", "999"], /^--sessions must be a whole number of at least 1000/],
    [["--rounds", "0"], /^--rounds must be a whole number of at least 1/],
    [["--levels", "1,x"], /^--levels must be a whole number of at least 1, not "x"/],
    [["--duration", "3"], /^--duration must be a time from 100ms to 60m/],
    [["--duration", "99ms"], /^--duration must be a time from 100ms to 60m/],
    [["--duration", "61m"], /^--duration must be a time from 100ms to 60m/],
    [["--name", "../x"], /^--name must be letters/],
  ];
  for (const [args, message] of refused) {
    it(`refuse ${args.join(" ")}`, () => {
      expect(() => parseOptions(args)).to.throw(OptionError, message);
    });
  }
});
