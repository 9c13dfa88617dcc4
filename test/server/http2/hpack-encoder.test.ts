import { mock } from "node:test";
import { expect } from "chai";
import { HpackDecoder } from "../../../src/server/http2/hpack-decoder.ts";
import {
  type EncodingOptions,
  encodeHeaders,
  HpackEncoder,
} from "../../../src/server/http2/hpack-encoder.ts";

function write(encoder: HpackEncoder, raw: readonly string[], options?: EncodingOptions): Buffer {
  const headers = encodeHeaders(raw, options);
  const out = Buffer.alloc(1 + headers.maxBytes);
  return out.subarray(1, encoder.write(headers, out, 1));
}

const hex = (block: Buffer) => block.toString("hex");
const newDecoder = () =>
  new HpackDecoder({ tableSize: 4096, maxListSize: 10_000, maxFields: 100, memoEntries: 0 });
const decode = (decoder: HpackDecoder, block: Buffer) =>
  decoder.decode(block, 0, block.length)?.raw;

const raw = [":status", "200", "content-type", "application/grpc", "x-many", "1"];
const indexed = ["content-type"];

describe("HPACK encoder: the examples of RFC 7541, appendix C, without Huffman code", () => {
  it("C.2.2 literal without indexing", () => {
    const block = write(new HpackEncoder(), [":path", "/sample/path"]);
    expect(hex(block)).to.equal("040c2f73616d706c652f70617468");
  });

  it("C.2.4 indexed field", () => {
    expect(hex(write(new HpackEncoder(), [":method", "GET"]))).to.equal("82");
  });

  it("C.3 requests", () => {
    const encoder = new HpackEncoder();
    const indexed = [":authority", "cache-control", "custom-key"];
    const first = [":method", "GET", ":scheme", "http", ":path", "/"];
    const authority = [":authority", "www.example.com"];
    const other = [":method", "GET", ":scheme", "https", ":path", "/index.html", ...authority];
    expect([
      hex(write(encoder, [...first, ...authority], { indexed })),
      hex(write(encoder, [...first, ...authority, "cache-control", "no-cache"], { indexed })),
      hex(write(encoder, [...other, "custom-key", "custom-value"], { indexed })),
    ]).to.deep.equal([
      "828684410f7777772e6578616d706c652e636f6d",
      "828684be58086e6f2d6361636865",
      "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ]);
  });

  it("C.5.1 response", () => {
    const raw = [
      ...[":status", "302", "cache-control", "private", "date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ...["location", "https://www.example.com"],
    ];
    const indexed = [":status", "cache-control", "date", "location"];
    expect(hex(write(new HpackEncoder(), raw, { indexed }))).to.equal(
      "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54" +
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
    );
  });
});

describe("HPACK encoder: the client's dynamic table", () => {
  it("gets a field at its first use; then the field takes one octet", () => {
    const encoder = new HpackEncoder();
    const decoder = newDecoder();
    const lengths = [1, 2, 3].map(() => {
      const block = write(encoder, raw, { indexed });
      expect(decode(decoder, block)).to.deep.equal(raw);
      return block.length;
    });
    expect(lengths).to.deep.equal([29, 12, 12]);
  });

  it("is shared by different headers with the same field", () => {
    const encoder = new HpackEncoder();
    write(encoder, raw, { indexed });
    const other = ["content-type", "application/grpc"];
    expect(hex(write(encoder, other, { indexed }))).to.equal("be");
    expect(write(new HpackEncoder(), other, { indexed })).to.have.length(18);
  });

  it("gets no field that does not fit any more", () => {
    const encoder = new HpackEncoder();
    const decoder = newDecoder();
    // 1 + 967 + 32 octets: four fit.
    const fields = ["a", "b", "c", "d", "e"].map((name) => [name, name.repeat(967)]);
    for (const field of fields) write(encoder, field, { indexed: [...field] });
    const lengths = fields.map((field) => write(encoder, field, { indexed: [...field] }).length);
    expect(lengths).to.deep.equal([1, 1, 1, 1, 973]);
    expect(decode(decoder, write(new HpackEncoder(), fields.flat()))).to.deep.equal(fields.flat());
  });

  it("gets at most 64 fields, so that each index is one octet", () => {
    const encoder = new HpackEncoder();
    const decoder = newDecoder();
    const raw = Array.from({ length: 70 }, (_, at) => [`${at}`, ""]).flat();
    const indexed = raw.filter((name) => name !== "");
    expect(decode(decoder, write(encoder, raw, { indexed }))).to.deep.equal(raw);
    const block = write(encoder, raw, { indexed });
    expect(block).to.have.length(64 + 6 * 5);
    expect(decode(decoder, block)).to.deep.equal(raw);
  });

  it("stays empty if its size is 0, which the next block says once", () => {
    const encoder = new HpackEncoder();
    encoder.setTableSize(0);
    const lengths = [1, 2].map(() => write(encoder, raw, { indexed }).length);
    expect(lengths).to.deep.equal([1 + 30, 30]);
    encoder.setTableSize(0);
    expect(write(encoder, raw, { indexed })).to.have.length(30);
  });

  const changes: [sizes: readonly number[], update: string][] = [
    [[4096], ""],
    [[65_536], ""],
    [[100], "203f45"],
    [[30], "203e"],
    [[0, 4096], "203fe11f"],
    [[0, 0xffff_ffff], "203fe11f"],
    [[100, 0], "20"],
    [[200, 100, 300], "203f8d02"],
  ];
  for (const [sizes, update] of changes) {
    it(`is told its size after settings of ${sizes.join(", ")}`, () => {
      const encoder = new HpackEncoder();
      const decoder = newDecoder();
      const field = ["a", "b"];
      expect(decode(decoder, write(encoder, field, { indexed: ["a"] }))).to.deep.equal(field);
      for (const size of sizes) encoder.setTableSize(size);
      const block = write(encoder, field, { indexed: ["a"] });
      expect(hex(block).slice(0, update.length)).to.equal(update);
      expect(decode(decoder, block)).to.deep.equal(field);
      const next = write(encoder, field, { indexed: ["a"] });
      expect(next).to.have.length(sizes.at(-1) === 0 || sizes.at(-1) === 30 ? 5 : 1);
      expect(decode(decoder, next)).to.deep.equal(field);
    });
  }

  it("is told of a raise without losing its fields", () => {
    const encoder = new HpackEncoder();
    encoder.setTableSize(100);
    write(encoder, ["a", "b"], { indexed: ["a"] });
    encoder.setTableSize(200);
    expect(hex(write(encoder, ["a", "b"], { indexed: ["a"] }))).to.equal("3fa901be");
  });
});

describe("HPACK encoder: date", () => {
  afterEach(() => mock.timers.reset());

  it("is that of the second in which the headers are sent", () => {
    mock.timers.enable({ apis: ["Date"], now: Date.UTC(2013, 9, 21, 20, 13, 21, 999) });
    const encoder = new HpackEncoder();
    const decoder = newDecoder();
    const headers = encodeHeaders([":status", "204"], { dated: true });
    const next = () => {
      const out = Buffer.alloc(headers.maxBytes);
      return decode(decoder, out.subarray(0, encoder.write(headers, out, 0)));
    };
    const at = (time: string) => [":status", "204", "date", `Mon, 21 Oct 2013 ${time} GMT`];
    expect(next()).to.deep.equal(at("20:13:21"));
    mock.timers.tick(1);
    expect(next()).to.deep.equal(at("20:13:22"));
    mock.timers.tick(999);
    expect(next()).to.deep.equal(at("20:13:22"));
    // The clock is set back.
    mock.timers.setTime(Date.UTC(2013, 9, 21, 20, 13, 20));
    expect(next()).to.deep.equal(at("20:13:20"));
  });
});

describe("HPACK encoder: fields that are not permitted", () => {
  const names = ["", "A", "a b", "a\n", ":", "::a", "connection", "transfer-encoding", "\u0100"];
  for (const name of names) {
    it(`refuses the name ${JSON.stringify(name)}`, () => {
      expect(() => encodeHeaders([name, "value"])).to.throw(
        TypeError,
        `HTTP/2 does not permit a header named ${JSON.stringify(name)}`,
      );
    });
  }

  for (const value of ["secret\r\n", "secret\0", " secret", "secret ", "secret\u0100"]) {
    it(`refuses the value ${JSON.stringify(value)}, without repeating it`, () => {
      expect(() => encodeHeaders(["a", value]))
        .to.throw(TypeError, "the value of the header a has characters")
        .with.property("message")
        .that.does.not.include("secret");
    });
  }
});
