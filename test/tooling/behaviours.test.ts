import { expect } from "chai";
import { idsIn, idsInTitles, renderBehaviours } from "../../scripts/behaviours.ts";

describe("the list of behaviours", () => {
  const cases: [text: string, ids: string[]][] = [
    ["refuses a revoked session (A08)", ["A08"]],
    ["A06, A07: expires", ["A06", "A07"]],
    ["B11 and A27: obeys its configuration", ["B11", "A27"]],
    ["A09–A11 and C01-C02", ["A09", "A10", "A11", "C01", "C02"]],
    ["fault 7, D04: loses to another one; Fault 8", ["fault 7", "D04", "fault 8"]],
    ["B and D: what Create stores at U+0A01, XA01, A012", []],
  ];
  for (const [text, ids] of cases) {
    it(`finds ${ids.join(" ") || "nothing"} in "${text}"`, () => {
      expect(idsIn(text)).to.deep.equal(ids);
    });
  }

  it("reads titles, also those put together from a table, and neither comments nor values", () => {
    const plain = `
      // it("A01")
      /** it("A02") */
      describe("A03", () => {
        it(
          "a \\"quoted\\" title (A04)",
          () => expect("A05"),
        );
      });`;
    const tables = `for (const id of ["A06", "a value of A07", "A08: at once"]) it(\`\${id}\`, f);`;
    expect(idsInTitles(plain)).to.deep.equal(["A03", "A04"]);
    expect(idsInTitles(tables)).to.deep.equal(["A06", "A08"]);
  });

  const render = (rows: string[], titles: Record<string, string>) => {
    const sources = Object.entries(titles).map(([path, title]) => [path, `it("${title}", f)`]);
    return renderBehaviours(rows.join("\n"), new Map(sources as [string, string][]));
  };

  it("links the files that name an id, and those of the behaviours that rule out a fault", () => {
    const rows = ["| A01 | one | old |", "text", "| fault 2 | two (A01) |  |"];
    expect(render(rows, { "b.test.ts": "A01", "a.test.ts": "A01, fault 2" })).to.deep.equal({
      text: [
        "| A01 | one | [a](a.test.ts), [b](b.test.ts) |",
        "text",
        "| fault 2 | two (A01) | [a](a.test.ts), [b](b.test.ts) |",
      ].join("\n"),
      problems: [],
    });
  });

  it("reports unknown ids, ids without a test and rows that are there twice", () => {
    const rows = ["| A01 | one |  |", "| A02 | two | old |", "| A02 | two | old |"];
    expect(render(rows, { "a.test.ts": "A02, A03" }).problems).to.deep.equal([
      'no test names A01: add one, or mark it as "not yet shown"',
      "A02 is in the document twice",
      "A03 is not in the document, but in a.test.ts",
    ]);
  });

  it("leaves the mark of a behaviour that is not yet shown, until a test shows it", () => {
    const rows = ["| E01 | one | not yet shown |"];
    expect(render(rows, {})).to.deep.equal({ text: rows[0], problems: [] });
    expect(render(rows, { "a.test.ts": "E01" }).text).to.equal("| E01 | one | [a](a.test.ts) |");
  });
});
