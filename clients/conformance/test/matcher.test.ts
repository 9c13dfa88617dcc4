import { expect } from "chai";
import { createMatcher } from "../matcher.ts";
import { referencesOf, substitute } from "../variables.ts";

describe("conformance: matcher", () => {
  const { differences } = createMatcher({ id: "ses-[0-9a-f]{4}" });

  it("accepts fields that the pattern does not have, at any depth", () => {
    expect(differences({ a: { b: 1 } }, { a: { b: 1, c: 2 }, d: 3 })).to.deep.equal([]);
  });

  it("reports each difference with its path", () => {
    expect(differences({ a: [{ b: 1 }], c: "x" }, { a: [{ b: 2 }] })).to.deep.equal([
      "a[0].b: expected 1, got 2",
      'c: expected "x", got nothing',
    ]);
  });

  it("compares the number of items, too", () => {
    expect(differences([], ["Set-Cookie"])).to.have.length(1);
    expect(differences(["a", "b"], ["a"])).to.have.length(1);
    expect(differences(["a"], "a")).to.have.length(1);
  });

  it("does not take one type for another", () => {
    expect(differences(0, "0")).to.have.length(1);
    expect(differences(null, undefined)).to.have.length(1);
    expect(differences({}, [])).to.have.length(1);
  });

  const rows: readonly [name: string, pattern: object, accepted: unknown[], refused: unknown[]][] =
    [
      ["$is", { $is: "id" }, ["ses-01ab"], ["ses-01abc", "x ses-01ab", 1, undefined]],
      ["$matches", { $matches: "a|b" }, ["a", "b"], ["ab", "xb", "", undefined]],
      ["$between", { $between: [1, 3] }, [1, 3], [0, 4, "2", undefined]],
      ["$oneOf", { $oneOf: ["a", { b: 1 }] }, ["a", { b: 1 }], ["b", { b: 2 }, undefined]],
      ["$only", { $only: { a: 1 } }, [{ a: 1 }], [{ a: 1, b: 2 }, {}, undefined]],
      ["$absent", { $absent: true }, [undefined], [null, "", 0]],
      ["$any", { $any: true }, [undefined, null, "x"], []],
    ];
  for (const [name, pattern, accepted, refused] of rows) {
    it(`knows ${name}`, () => {
      const count = (value: unknown) => differences(pattern as never, value as never).length;
      for (const value of accepted) expect(count(value), String(value)).to.equal(0);
      for (const value of refused) expect(count(value), String(value)).to.be.greaterThan(0);
    });
  }
});

describe("conformance: variables", () => {
  const variables = new Map<string, never>(
    Object.entries({ name: "a.b", list: [1] }) as [string, never][],
  );

  it("stand inside of text, and keep their type on their own", () => {
    const value = { text: `<\${name}>`, whole: `\${list}` };
    expect(substitute(value, variables)).to.deep.equal({ text: "<a.b>", whole: [1] });
  });

  it("are meant literally in a regular expression", () => {
    const { differences } = createMatcher({});
    const pattern = substitute({ $matches: `\${name}\\d` }, variables);
    expect(differences(pattern, "a.b1")).to.deep.equal([]);
    expect(differences(pattern, "axb1")).to.have.length(1);
  });

  it("stay as they are if they are not known yet", () => {
    const value = { a: `\${later}`, $matches: `\${later}` };
    expect(substitute(value, variables)).to.deep.equal(value);
    expect(referencesOf(value)).to.deep.equal(["later", "later"]);
  });
});
