import { expect } from "chai";
import type { Outcome } from "../play.ts";
import type { ClientResult } from "../report.ts";
import type { Scenario } from "../scenario-file.ts";
import { withTables } from "../tables.ts";

const scenario = (name: string): Scenario => ({
  name,
  title: `Title of ${name}`,
  needs: [],
  stubs: [],
  apps: undefined,
});

const client = (name: string, ...outcomes: Outcome[]): ClientResult => ({
  language: name,
  name,
  sort: "stubs",
  outcomes: new Map(outcomes.map((outcome, index) => [["a", "b"][index] as string, outcome])),
});

const failure = { step: 1, action: "Get", differences: ["x"] };
const document = `Text
<!-- table of stubs -->
old
<!-- end of table of stubs -->
between
<!-- table of apps -->
<!-- end of table of apps -->
end
`;

describe("conformance: tables", () => {
  const results = [
    client("one", { result: "passed" }, { result: "failed", failure }),
    client("two", { result: "not applicable", why: "it cannot" }, { result: "passed" }),
  ];

  it("have a row for each scenario and a column for each client", () => {
    const updated = withTables(document, [scenario("a"), scenario("b")], results);
    expect(updated).to.include(`| scenario | one | two |
| --- | :-: | :-: |
| Title of a | ✓ | – |
| Title of b | ✗ | ✓ |
| passed | 1 | 1 |

– does not apply:

- two: it cannot.
`);
    expect(updated).to.not.include("old");
    expect(updated).to.match(/^Text\n[\s\S]*\nbetween\n[\s\S]*\nend\n$/);
  });

  it("are the same when they are written again", () => {
    const scenarios = [scenario("a"), scenario("b")];
    const once = withTables(document, scenarios, results);
    expect(withTables(once, scenarios, results)).to.equal(once);
  });

  it("need their markers", () => {
    expect(() => withTables("Text", [], results)).to.throw("has no <!-- table of stubs -->");
  });
});
