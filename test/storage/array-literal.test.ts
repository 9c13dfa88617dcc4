import { expect } from "chai";
import fc from "fast-check";
import { arrayLiteral } from "../../src/storage/pg/array-literal.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

describe("array literals", () => {
  let test: TestDatabase;

  before(async () => {
    test = await createTestDatabase();
  });
  after(() => test?.drop());

  /** What PostgreSQL makes of the literal, as an array of this type. */
  async function read(values: readonly unknown[], type: string): Promise<unknown> {
    const [row] = await test.sql(`SELECT $1::${type}[] AS read`, [arrayLiteral(values)]);
    return row?.read;
  }

  // PostgreSQL has no NUL in texts.
  const text = fc.string({ unit: "grapheme", maxLength: 20 }).map((s) => s.replaceAll("\0", ""));
  const special = fc.constantFrom(
    '"',
    "\\",
    "{",
    "}",
    ",",
    "NULL",
    " ",
    "\n",
    "\t",
    "\u007f",
    "\\n",
  );

  it("are read as the texts that they were made of (property)", async () => {
    const texts = fc.array(
      fc.option(fc.array(fc.oneof(text, special), { maxLength: 5 }).map((parts) => parts.join(""))),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        expect(await read(values, "text")).to.deep.equal(values);
      }),
      { examples: [[[]], [[""]], [[null, "null", "NULL", "{}"]], [["\u001f", "\\\\n", '\\"']]] },
    );
  });

  it("are read as the JSON that they were made of (property)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.dictionary(text, text)), async (values) => {
        const json = values.map((value) => JSON.stringify(value));
        expect(await read(json, "jsonb")).to.deep.equal(json.map((value) => JSON.parse(value)));
      }),
    );
  });

  const others: Record<string, readonly unknown[]> = {
    boolean: [true, false, null],
    integer: [0, -1, 2_147_483_647, null],
    float8: [0, -1, 0.1, 1e21, 1.5e-7, null],
    bytea: [Buffer.alloc(0), Buffer.from([0, 0x22, 0x5c, 0xff])],
    timestamptz: [new Date(0), new Date("2026-01-31T12:34:56.789Z"), null],
  };
  for (const [type, values] of Object.entries(others)) {
    it(`are read as the values that they were made of: ${type}`, async () => {
      expect(await read(values, type)).to.deep.equal(values);
    });
  }

  it("leave to the driver what JSON escapes in another way", () => {
    for (const value of ["\n", "\b", "\u001f", "\ud800", "\0"]) {
      expect(arrayLiteral([value, "other"])).to.deep.equal([value, "other"]);
    }
    expect(arrayLiteral(['a"b', "c\\"])).to.equal('{"a\\"b","c\\\\"}');
  });
});
