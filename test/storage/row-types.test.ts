import { expect } from "chai";
import pg from "pg";
import { parseInstant, rowTypes } from "../../src/storage/pg/row-types.ts";

const { TIMESTAMPTZ, JSONB, BOOL } = pg.types.builtins;
const byDriver = (text: string) => Number(pg.types.getTypeParser(TIMESTAMPTZ)(text));

describe("row types", () => {
  it("reads every millisecond of a second as it is", () => {
    for (let ms = 0; ms < 1000; ms += 1) {
      // PostgreSQL leaves out trailing zeros.
      const fraction = ms === 0 ? "" : `.${String(ms).padStart(3, "0").replace(/0+$/, "")}`;
      const text = `2026-02-28 23:59:58${fraction}+00`;
      expect(parseInstant(text), text).to.equal(Date.UTC(2026, 1, 28, 23, 59, 58, ms));
    }
  });

  for (const text of [
    "2026-01-31 12:34:56+00",
    "2026-01-31 12:34:56.7+00",
    "2026-01-31 12:34:56.789123+00",
    "2026-01-31 12:34:56.789999+00",
    "2024-02-29 00:00:00.001-08",
    "2026-01-31 12:34:56.789+14",
    "2026-01-31 12:34:56.789+05:30",
    "1969-12-31 23:59:59.5+00",
    "0099-12-31 12:34:56+00",
    "0100-01-01 12:34:56+00",
    "12026-01-31 12:34:56+00",
    "0044-03-15 12:34:56+00 BC",
    "infinity",
    "-infinity",
  ]) {
    it(`reads ${text} as the driver does`, () => {
      expect(parseInstant(text)).to.equal(byDriver(text));
    });
  }

  it("reads JSON, and gives each row an empty object of its own", () => {
    const parse = rowTypes.getTypeParser(JSONB, "text");
    expect(parse('{"a": "1"}')).to.deep.equal({ a: "1" });
    expect(parse("{}")).to.deep.equal({});
    expect(parse("{}")).not.to.equal(parse("{}"));
  });

  it("leaves other types to the driver", () => {
    expect(rowTypes.getTypeParser(BOOL)("t")).to.equal(true);
  });
});
