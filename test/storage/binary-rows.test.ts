import { expect } from "chai";
import type { BinaryRow } from "../../src/storage/pg/binary-row.ts";
import { binaryRowReader } from "../../src/storage/pg/columns.ts";
import { DataRows } from "../../src/storage/pg/data-row-client.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { openTestStorage, type TestStorage } from "../support/storage.ts";

/** A message of PostgreSQL's protocol. */
function message(type: string, body: string): Buffer {
  const bytes = Buffer.from(`${type}____${body}`);
  bytes.writeInt32BE(body.length + 4, 1);
  return bytes;
}

describe("rows past the driver", () => {
  const messages = [
    message("2", ""),
    message("D", "first"),
    message("D", ""),
    message("N", "a notice"),
    message("D", "x".repeat(300)),
    message("C", "SELECT 3\0"),
    message("Z", "I"),
  ];
  const received = Buffer.concat(messages);
  const ofDriver = messages.filter(([type]) => type !== "D".charCodeAt(0));

  function split(chunks: readonly Buffer[], reads: boolean) {
    const driver: Buffer[] = [];
    const rows: string[] = [];
    const dataRows = new DataRows((bytes) => driver.push(bytes));
    if (reads) {
      dataRows.onDataRow = (bytes, start, end) => rows.push(bytes.toString("utf8", start, end));
    }
    for (const chunk of chunks) dataRows.onData(chunk);
    return { rows, driver: Buffer.concat(driver) };
  }

  it("are the same wherever what the server sends is cut in three", () => {
    for (let first = 0; first <= received.length; first += 1) {
      for (let second = first; second <= received.length; second += 7) {
        const chunks = [
          received.subarray(0, first),
          received.subarray(first, second),
          received.subarray(second),
        ];
        const { rows, driver } = split(chunks, true);
        expect(rows).to.deep.equal(["first", "", "x".repeat(300)]);
        expect(driver).to.deep.equal(Buffer.concat(ofDriver));
      }
    }
  });

  it("are the same byte by byte", () => {
    const { rows, driver } = split(
      [...received].map((byte) => Buffer.from([byte])),
      true,
    );
    expect(rows).to.have.length(3);
    expect(driver).to.deep.equal(Buffer.concat(ofDriver));
  });

  it("are the driver's after the end of the query that reads them", () => {
    const driver: Buffer[] = [];
    const dataRows = new DataRows((bytes) => {
      driver.push(Buffer.from(bytes));
      dataRows.onDataRow = undefined;
    });
    const read: string[] = [];
    dataRows.onDataRow = (bytes, start, end) => read.push(bytes.toString("utf8", start, end));
    const [ready, late] = [message("Z", "I"), message("D", "late")];

    dataRows.onData(Buffer.concat([message("D", "first"), ready, late, late]));

    expect(read).to.deep.equal(["first"]);
    expect(Buffer.concat(driver)).to.deep.equal(Buffer.concat([ready, late, late]));
  });

  it("are the driver's while nobody else reads them", () => {
    const { rows, driver } = split([received.subarray(0, 9), received.subarray(9)], false);
    expect(rows).to.deep.equal([]);
    expect(driver).to.deep.equal(received);
  });
});

describe("rows in the binary format", () => {
  let test: TestDatabase;
  let storage: TestStorage;

  before(async () => {
    test = await createTestDatabase();
    storage = await openTestStorage(test.url, { poolSize: 1 });
  });
  after(async () => {
    await storage?.close();
    await test?.drop();
  });

  /** The value of an expression, read in the binary format, and as the driver's text has it. */
  async function both(type: string, expression: string): Promise<readonly [unknown, unknown]> {
    const text = `SELECT (${expression})::${type} AS value`;
    const columns = [
      { property: "value", name: "value", type, fromRow: undefined, toParameter: String },
    ];
    const row = binaryRowReader<{ readonly value: unknown }>(columns);
    const read = () => ({ statement: { text }, values: [], row });
    const [binary] = await storage.database.read(read, undefined);
    const [ofDriver] = await storage.database.query({ text }, [], undefined);
    return [binary?.value, ofDriver?.value];
  }

  const values: Readonly<Record<string, readonly string[]>> = {
    text: ["'plain'", "''", "'ünï — 𝄞'", "repeat('é', 10000)"],
    boolean: ["true", "false"],
    integer: ["0", "1", "-1", "2147483647", "-2147483648"],
    bigint: [
      "0",
      "1",
      "-1",
      "4294967295",
      "4294967296",
      "-4294967297",
      "9223372036854775807",
      "'-9223372036854775808'",
    ],
    timestamptz: [
      "'2026-01-31 12:34:56.789+00'",
      "'2026-01-31 12:34:56.789999+00'",
      "'2000-01-01 00:00:00+00'",
      "'1999-12-31 23:59:59.999999+00'",
      "'1969-12-31 23:59:59.5+00'",
      "'9999-12-31 23:59:59.999999+00'",
      "'0044-03-15 12:34:56+00 BC'",
      "'infinity'",
      "'-infinity'",
    ],
    bytea: ["'\\x00ff10'", "''"],
    jsonb: ["'{}'", "'[]'", `'{"a": "ü", "b": ""}'`, `'["pwd", "otp"]'`],
  };

  for (const [type, expressions] of Object.entries(values)) {
    for (const expression of [...expressions, "NULL"]) {
      it(`have the driver's value for ${type} ${expression}`, async () => {
        const [binary, ofDriver] = await both(type, expression);
        expect(binary).to.deep.equal(ofDriver);
      });
    }
  }

  it("keep every millisecond", async () => {
    const text = `SELECT '2026-02-28 23:59:58+00'::timestamptz + ms * interval '1 millisecond'
      FROM generate_series(0, 999) AS ms`;
    const row = (fields: BinaryRow) => fields.timestamptz();
    const read = () => ({ statement: { text }, values: [], row });
    const found = await storage.database.read(read, undefined);
    const first = Date.UTC(2026, 1, 28, 23, 59, 58);
    expect(found).to.deep.equal(Array.from({ length: 1000 }, (_, ms) => first + ms));
  });

  it("fail a statement that is read wrongly, and nothing else", async () => {
    const read = () => ({
      statement: { text: "SELECT 1, 2 UNION ALL SELECT 3, 4" },
      values: [],
      row: (fields: BinaryRow) => [fields.integer(), fields.integer(), fields.integer()],
    });
    const failure = await storage.database.read(read, undefined).catch((error: Error) => error);
    expect(failure).to.be.instanceOf(RangeError);
    const after = await storage.database.query({ text: "SELECT 1 AS one" }, [], undefined);
    expect(after).to.deep.equal([{ one: 1 }]);
  });

  it("come with values in all their characters, prepared or not", async () => {
    for (const name of [undefined, "echo"]) {
      for (const value of ["", "ünï — 𝄞", "x".repeat(70_000)]) {
        const statement = { text: "SELECT $1::text, $2::text", ...(name && { name }) };
        const row = (fields: BinaryRow) => [fields.text(), fields.text()];
        const read = () => ({ statement, values: [value, "second"], row });
        expect(await storage.database.read(read, undefined)).to.deep.equal([[value, "second"]]);
      }
    }
  });

  it("know their columns' names and types", () => {
    const column = { name: "x", fromRow: undefined, toParameter: String };
    expect(() => binaryRowReader([{ ...column, property: "a b", type: "text" }])).to.throw(
      RangeError,
      "a b is not an identifier",
    );
    expect(() => binaryRowReader([{ ...column, property: "x", type: "point" }])).to.throw(
      RangeError,
      "point is not a type that is read",
    );
  });
});
