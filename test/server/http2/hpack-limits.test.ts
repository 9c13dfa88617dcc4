import v8 from "node:v8";
import { expect } from "chai";
import fc from "fast-check";
import { ErrorCode, Http2Error } from "../../../src/server/http2/frames.ts";
import { HeaderField } from "../../../src/server/http2/header-field.ts";
import { HeaderList } from "../../../src/server/http2/header-list.ts";
import { HpackDecoder, type HpackDecoderOptions } from "../../../src/server/http2/hpack-decoder.ts";

const limits = { tableSize: 4096, maxListSize: 16_384, maxFields: 100, memoEntries: 4 };

/** What became of a block: its list, or why there is none. */
function outcome(decoder: HpackDecoder, block: Uint8Array): HeaderList | string {
  try {
    return decoder.decode(Buffer.from(block), 0, block.length) ?? "over a limit";
  } catch (error) {
    if (!(error instanceof Http2Error) || error.code !== ErrorCode.COMPRESSION_ERROR) throw error;
    return error.message;
  }
}

function rawOutcome(decoder: HpackDecoder, block: Uint8Array): readonly string[] | string {
  const result = outcome(decoder, block);
  return typeof result === "string" ? result : result.raw;
}

/** Literals whose names and values repeat, so that tables and memos are used. */
const text = fc.constantFrom("", "a", "bc", "x".repeat(40));
const literal = (form: number) =>
  fc
    .tuple(text, text)
    .map(([name, value]) => [
      form,
      name.length,
      ...Buffer.from(name),
      value.length,
      ...Buffer.from(value),
    ]);
const field = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom([0x82], [0x86], [0xbe], [0xbf], [0xc0]) },
  { weight: 2, arbitrary: literal(0x00) },
  { weight: 1, arbitrary: literal(0x40) },
  { weight: 1, arbitrary: text.map((value) => [0x7e, value.length, ...Buffer.from(value)]) },
);
const sizeUpdate = fc.constantFrom([0x20], [0x20, 0x3f, 0xe1, 0x1f], [0x3f, 0x21], [0x3f, 0x45]);
const block = fc
  .tuple(fc.option(sizeUpdate, { freq: 8 }), fc.array(field, { maxLength: 5 }))
  .map(([update, fields]) => Uint8Array.from([...(update ?? []), ...fields.flat()]));
/** So that the references above mean something. */
const filled = Uint8Array.from([0x40, 1, 0x70, 0, 0x40, 1, 0x71, 0, 0x40, 1, 0x72, 0]);
/** Most blocks repeat one of the others. */
const blocks = fc
  .tuple(fc.array(block, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(), { maxLength: 60 }))
  .map(([some, order]) => [filled, ...order.map((at) => some[at % some.length] as Uint8Array)]);

const fourKiB = Buffer.concat([
  // A field of 4,064 octets with its name: it fills the table.
  Buffer.from([0x40, 0x01, 0x61, 0x7f, 0xe0, 0x1e]),
  Buffer.alloc(0x7f + 0xf60, "v"),
]);

describe("HPACK decoder: any octets", () => {
  it("are decoded or are a compression error", () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .array(fc.oneof(field, sizeUpdate), { maxLength: 10 })
        .map((all) => Uint8Array.from(all.flat())),
    );
    fc.assert(
      fc.property(fc.array(octets, { maxLength: 10 }), (blocks) => {
        const decoder = new HpackDecoder(limits);
        for (const block of blocks) if (isEnd(outcome(decoder, block))) break;
      }),
      { numRuns: 2000 },
    );
  });

  it("that end too early are a compression error, or fewer fields", () => {
    // RFC 7541, C.4 and C.6: all kinds of fields and strings.
    const examples = [
      "828684418cf1e3c2e5f23a6ba0ab90f4ff408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      "3fe11f100870617373776f726406736563726574040c2f73616d706c652f70617468",
      "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    ];
    for (const example of examples) {
      const whole = Buffer.from(example, "hex");
      const fields = (outcome(new HpackDecoder(limits), whole) as HeaderList).raw;
      for (let end = 0; end < whole.length; end += 1) {
        const cut = rawOutcome(new HpackDecoder(limits), whole.subarray(0, end));
        if (typeof cut === "string") {
          expect(cut).to.match(/header block/);
        } else {
          expect(cut).to.have.length.lessThan(fields.length);
          expect(cut).to.deep.equal(fields.slice(0, cut.length));
        }
      }
    }
  });

  it("are not read beyond the end of the block", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.uint8Array({ maxLength: 10 }),
        (octets, rest) => {
          const buffer = Buffer.from([...rest, ...octets, ...rest]);
          const start = rest.length;
          const decode = (options: HpackDecoderOptions) => {
            try {
              return new HpackDecoder(options).decode(buffer, start, start + octets.length)?.raw;
            } catch (error) {
              return (error as Error).message;
            }
          };
          const alone = rawOutcome(new HpackDecoder(limits), octets);
          expect(decode(limits) ?? "over a limit").to.deep.equal(alone);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("HPACK decoder: the memo", () => {
  it("changes nothing", () => {
    fc.assert(
      fc.property(blocks, fc.integer({ min: 1, max: 4 }), (blocks, memoEntries) => {
        const decoder = new HpackDecoder({ ...limits, memoEntries });
        const plain = new HpackDecoder({ ...limits, memoEntries: 0 });
        for (const block of blocks) {
          const expected = rawOutcome(plain, block);
          expect(rawOutcome(decoder, block)).to.deep.equal(expected);
          if (isEnd(expected)) break;
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("keeps what the user has derived from a list", () => {
    const decoder = new HpackDecoder(limits);
    const block = Uint8Array.from([0x82, 0x86]);
    const [, second, third] = [1, 2, 3].map(() => outcome(decoder, block) as HeaderList);
    if (second !== undefined) second.meaning = "derived";
    expect(third).to.equal(second);
    expect(third?.meaning).to.equal("derived");
  });

  it("is not taken by blocks that come once", () => {
    const decoder = new HpackDecoder(limits);
    const repeated = Uint8Array.from([0x82, 0x86]);
    outcome(decoder, repeated);
    const list = outcome(decoder, repeated);
    for (let value = 0; value < 200; value += 1) {
      outcome(decoder, Uint8Array.from([0x82, 0x04, 0x01, value]));
      expect(outcome(decoder, repeated)).to.equal(list);
    }
  });

  it("has no blocks of more than 1,024 octets", () => {
    const decoder = new HpackDecoder({ ...limits, maxFields: 2000, maxListSize: 1_000_000 });
    for (const [length, isShared] of [
      [1024, true],
      [1025, false],
    ] as const) {
      const block = new Uint8Array(length).fill(0x82);
      const [, second, third] = [1, 2, 3].map(() => outcome(decoder, block));
      expect(third === second).to.equal(isShared);
    }
  });
});

describe("HPACK decoder: limits", () => {
  it("are the number of fields and their size", () => {
    const decoder = new HpackDecoder({ ...limits, maxFields: 3, maxListSize: 129 });
    // :method GET counts 42 octets, a literal "x" without value 33.
    const cases: [block: number[], raw: readonly string[] | string][] = [
      [
        [0x82, 0x82, 0x82],
        [":method", "GET", ":method", "GET", ":method", "GET"],
      ],
      [[0x82, 0x82, 0x82, 0x82], "over a limit"],
      [
        [0x82, 0x82, 0x04, 0x08, ...Buffer.from("/2345678")],
        [":method", "GET", ":method", "GET", ":path", "/2345678"],
      ],
      [[0x82, 0x82, 0x04, 0x09, ...Buffer.from("/23456789")], "over a limit"],
      [
        [0x00, 0x01, 0x78, 0x00],
        ["x", ""],
      ],
    ];
    for (const [block, raw] of cases) {
      expect(rawOutcome(decoder, Uint8Array.from(block))).to.deep.equal(raw);
    }
  });

  it("leave the dynamic table right when they are exceeded", () => {
    const few = fc.record({ maxFields: fc.nat({ max: 3 }), maxListSize: fc.nat({ max: 200 }) });
    fc.assert(
      fc.property(blocks, few, (blocks, few) => {
        const strict = new HpackDecoder({ ...limits, ...few });
        const loose = new HpackDecoder(limits);
        for (const block of blocks) {
          const expected = outcome(loose, block);
          const result = rawOutcome(strict, block);
          if (typeof expected === "string") {
            expect(result).to.equal(expected);
            if (isEnd(expected)) break;
          } else {
            const fits =
              expected.size <= few.maxListSize && expected.fields.length <= few.maxFields;
            expect(result).to.deep.equal(fits ? expected.raw : "over a limit");
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("bound what references to a large field take", () => {
    const decoder = new HpackDecoder({ ...limits, maxFields: 100_000 });
    expect(outcome(decoder, fourKiB)).to.be.instanceOf(HeaderList);
    const fits = outcome(decoder, new Uint8Array(4).fill(0xbe)) as HeaderList;
    expect([fits.size, fits.fields.length]).to.deep.equal([16_384, 4]);
    expect(outcome(decoder, new Uint8Array(5).fill(0xbe))).to.equal("over a limit");
    // Each octet stands for 4 KiB. All of it would be more than a string or a heap can be.
    const bomb = new Uint8Array(4_000_000).fill(0xbe);
    expect(outcome(decoder, bomb)).to.equal("over a limit");
    expect(outcome(decoder, Uint8Array.from([0xbe]))).to.be.instanceOf(HeaderList);
  });

  it("bound what a decoder keeps", () => {
    const count = (type: typeof HeaderField | typeof HeaderList) =>
      v8.queryObjects(type, { format: "count" });
    const decoder = new HpackDecoder(limits);
    const before = [count(HeaderField), count(HeaderList)];
    for (let round = 0; round < 3000; round += 1) {
      const octets = [round >> 8, round & 0xff];
      // Fields without value in the table, and twice a block that is remembered.
      outcome(decoder, Uint8Array.from([0x40, 0x02, ...octets, 0x00]));
      for (let again = 0; again < 2; again += 1) {
        outcome(decoder, Uint8Array.from([0x00, 0x02, ...octets, 0x00]));
      }
    }
    for (let round = 0; round < 300; round += 1) {
      for (let again = 0; again < 2; again += 1) {
        outcome(decoder, Uint8Array.from([0x00, 0x02, round >> 8, round & 0xff, 0x00]));
      }
    }
    const [fieldsBefore = 0, listsBefore = 0] = before;
    expect(count(HeaderList) - listsBefore).to.equal(limits.memoEntries);
    // Each takes 34 octets of the table; and one in each list that is remembered.
    expect(count(HeaderField) - fieldsBefore).to.equal(
      Math.floor(limits.tableSize / 34) + limits.memoEntries,
    );
    expect(outcome(decoder, Uint8Array.from([0xbe]))).to.be.instanceOf(HeaderList);
  });
});

/** After a compression error a connection ends. */
function isEnd(result: HeaderList | readonly string[] | string): boolean {
  return typeof result === "string" && result !== "over a limit";
}
