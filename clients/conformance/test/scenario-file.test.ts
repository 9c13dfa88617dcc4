import { join } from "node:path";
import { expect } from "chai";
import { parseScenarioFile, readScenarioFile, ScenarioFileError } from "../scenario-file.ts";

const call = { call: "Get", request: {}, expect: { ok: {} } };

function file(steps: readonly object[], sort = "stubs", more: object = {}) {
  const scenario = { name: "one", title: "One", [sort]: steps, ...more };
  return {
    patterns: { id: "x" },
    values: { fixed: 1 },
    fragments: { two: [call, call] },
    scenarios: [scenario],
  };
}

function problemOf(data: object): string {
  try {
    parseScenarioFile(data);
  } catch (error) {
    if (error instanceof ScenarioFileError) return error.message;
    throw error;
  }
  return "no problem";
}

describe("conformance: the data file", () => {
  it("is right as it is", () => {
    const { scenarios } = readScenarioFile(join(import.meta.dirname, "../scenarios.json"));
    expect(scenarios).to.not.be.empty;
  });

  it("has fragments and repetitions, which are written out", () => {
    const repetition = {
      forEach: [{ rpc: "Get" }, { rpc: "List" }],
      steps: [{ ...call, call: `\${rpc}` }],
    };
    const { scenarios } = parseScenarioFile(file([{ include: "two" }, repetition]));
    const calls = scenarios[0]?.stubs?.map((step) => step.kind === "call" && step.call);
    expect(calls).to.deep.equal(["Get", "Get", "Get", "List"]);
  });

  const wrong: readonly [what: string, data: object, problem: RegExp][] = [
    [
      "an unknown RPC",
      file([call, { ...call, call: "Gett" }]),
      /^scenario "one", step 2 of stubs: call: .*"Get"/,
    ],
    [
      "an unknown key",
      file([{ ...call, expct: {} }]),
      /scenario "one", step 1 of stubs: .*"expct"/,
    ],
    [
      "a step without action",
      file([{ request: {} }]),
      /step 1 of stubs: it has request; exactly one of call, http/,
    ],
    ["a step with two actions", file([{ ...call, network: "pass" }]), /exactly one of/],
    ["a call in an application", file([call], "apps"), /step 1 of apps: apps have no "call"/],
    [
      "an unknown variable",
      file([{ ...call, request: { a: `\${b}` } }]),
      /no earlier step saves \$\{b\}/,
    ],
    [
      "an unknown pattern",
      file([{ ...call, expect: { ok: { $is: "y" } } }]),
      /there is no pattern "y"/,
    ],
    [
      "an unknown operator",
      file([{ ...call, expect: { ok: { $like: "y" } } }]),
      /there is no operator \$like/,
    ],
    [
      "an unknown fragment",
      file([{ include: "three" }]),
      /step 1 of stubs: there is no fragment "three"/,
    ],
    [
      "an expectation of both",
      file([{ ...call, expect: { ok: {}, error: {} } }]),
      /step 1 of stubs: expect: /,
    ],
    ["an unknown need", file([call], "stubs", { needs: ["luck"] }), /^scenario "one": needs\.0: /],
    ["no steps", file([], "stubs"), /^scenario "one": stubs: /],
    [
      "a scenario for nobody",
      file([call], "stubs", { stubs: undefined }),
      /neither stubs nor apps/,
    ],
  ];
  for (const [what, data, problem] of wrong) {
    it(`with ${what} is refused`, () => expect(problemOf(data)).to.match(problem));
  }

  it("with two scenarios of one name is refused", () => {
    const { scenarios, ...others } = file([call]);
    const data = { ...others, scenarios: [...scenarios, ...scenarios] };
    expect(problemOf(data)).to.equal('scenario "one": the name is used twice');
  });

  it("has all problems reported at once", () => {
    const problems = problemOf(file([{ include: "three" }, { request: {} }]));
    expect(problems.split("\n")).to.have.length(2);
  });
});
