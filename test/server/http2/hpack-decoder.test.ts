import { expect } from "chai";
import { ErrorCode, Http2Error } from "../../../src/server/http2/frames.ts";
import type { HeaderList } from "../../../src/server/http2/header-list.ts";
import { HpackDecoder } from "../../../src/server/http2/hpack-decoder.ts";

const limits = { tableSize: 4096, maxListSize: 16_384, maxFields: 100, memoEntries: 8 };

/** Octets in hexadecimal; spaces are for the reader. */
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

function decode(decoder: HpackDecoder, block: Buffer): HeaderList | undefined {
  // A block is in the middle of what was received.
  const received = Buffer.concat([Buffer.from([0xbe]), block, Buffer.from([0xbe])]);
  return decoder.decode(received, 1, 1 + block.length);
}

const rawOf = (list: HeaderList | undefined) => list?.raw;

function errorOf(decoder: HpackDecoder, block: Buffer): string {
  try {
    decode(decoder, block);
  } catch (error) {
    if (!(error instanceof Http2Error) || error.code !== ErrorCode.COMPRESSION_ERROR) throw error;
    return error.message;
  }
  throw new Error("the block was decoded");
}

/** RFC 7541, appendices C.3 to C.6: the same lists with and without Huffman code. */
const requests = [
  [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"],
  [
    ...[":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"],
    ...["cache-control", "no-cache"],
  ],
  [
    ...[":method", "GET", ":scheme", "https", ":path", "/index.html"],
    ...[":authority", "www.example.com", "custom-key", "custom-value"],
  ],
];
const found = ["cache-control", "private", "date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const location = ["location", "https://www.example.com"];
const responses = [
  [":status", "302", ...found, ...location],
  [":status", "307", ...found, ...location],
  [
    ...[":status", "200", "cache-control", "private", "date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ...[...location, "content-encoding", "gzip"],
    ...["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];

const examples: [string, number, (readonly [block: string, raw: readonly string[]])[]][] = [
  [
    "C.2.1 literal with indexing",
    4096,
    [
      [
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        ["custom-key", "custom-header"],
      ],
    ],
  ],
  [
    "C.2.2 literal without indexing",
    4096,
    [["040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"]]],
  ],
  [
    "C.2.3 literal never indexed",
    4096,
    [["1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"]]],
  ],
  ["C.2.4 indexed field", 4096, [["82", [":method", "GET"]]]],
  [
    "C.3 requests without Huffman code",
    4096,
    [
      ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", requests[0] ?? []],
      ["8286 84be 5808 6e6f 2d63 6163 6865", requests[1] ?? []],
      [
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        requests[2] ?? [],
      ],
    ],
  ],
  [
    "C.4 requests with Huffman code",
    4096,
    [
      ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", requests[0] ?? []],
      ["8286 84be 5886 a8eb 1064 9cbf", requests[1] ?? []],
      ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", requests[2] ?? []],
    ],
  ],
  [
    "C.5 responses without Huffman code, in a table of 256 octets",
    256,
    [
      [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        responses[0] ?? [],
      ],
      ["4803 3330 37c1 c0bf", responses[1] ?? []],
      [
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        responses[2] ?? [],
      ],
    ],
  ],
  [
    "C.6 responses with Huffman code, in a table of 256 octets",
    256,
    [
      [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        responses[0] ?? [],
      ],
      ["4883 640e ffc1 c0bf", responses[1] ?? []],
      [
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        responses[2] ?? [],
      ],
    ],
  ],
];

describe("HPACK decoder: the examples of RFC 7541, appendix C", () => {
  for (const [name, tableSize, blocks] of examples) {
    it(name, () => {
      const decoder = new HpackDecoder({ ...limits, tableSize });
      for (const [block, raw] of blocks) {
        const list = decode(decoder, hex(block));
        expect(rawOf(list)).to.deep.equal(raw);
        const octets = raw.reduce((sum, text) => sum + text.length, 0);
        expect(list?.size).to.equal(octets + 16 * raw.length);
      }
    });
  }
});

describe("HPACK decoder: blocks that are wrong", () => {
  const wrong: [string, string, string][] = [
    ["index 0", "80", "index without a field"],
    ["an index above the dynamic table", "be", "index without a field"],
    ["a name with an index above the dynamic table", "7e 01 61", "index without a field"],
    ["an integer without an end", "ff 80 80", "header block ends within an integer"],
    ["an integer of more than four octets", "ff 80 80 80 80 00", "integer is too long"],
    ["a string longer than the block", "00 02 61", "string is longer than the header block"],
    ["a field without value", "00 01 61", "header block ends within a field"],
    ["a table size above the setting", "3f e2 1f", "table size above the setting"],
    ["three table size updates", "20 20 20", "too many table size updates"],
    ["a table size update after a field", "82 20", "table size update after a field"],
  ];
  for (const [name, block, message] of wrong) {
    it(`${name} is a compression error`, () => {
      expect(errorOf(new HpackDecoder(limits), hex(block))).to.equal(message);
    });
  }
});

describe("HPACK decoder: repeated blocks", () => {
  it("share one list", () => {
    const decoder = new HpackDecoder(limits);
    const block = hex("82 86 84 01 0161");
    decode(decoder, block);
    const second = decode(decoder, block);
    expect(decode(decoder, block)).to.equal(second);
    expect(rawOf(second)).to.deep.equal([
      ":method",
      "GET",
      ":scheme",
      "http",
      ":path",
      "/",
      ":authority",
      "a",
    ]);
  });

  it("are decoded anew when the dynamic table has changed", () => {
    const decoder = new HpackDecoder(limits);
    decode(decoder, hex("40 01 61 01 62"));
    for (let round = 0; round < 3; round += 1) {
      expect(rawOf(decode(decoder, hex("be")))).to.deep.equal(["a", "b"]);
    }
    decode(decoder, hex("40 01 63 01 64"));
    expect(rawOf(decode(decoder, hex("be")))).to.deep.equal(["c", "d"]);
    decode(decoder, hex("be"));
    expect(errorOf(decoder, hex("20 be"))).to.equal("index without a field");
  });
});

describe("HPACK decoder: the dynamic table", () => {
  /** "a" and "b" without value: 33 octets each. */
  const a = "40 01 61 00";
  const b = "40 01 62 00";

  it("evicts the oldest field for a new one, when it is exactly full", () => {
    const decoder = new HpackDecoder({ ...limits, tableSize: 66 });
    for (const block of [a, a, b]) decode(decoder, hex(block));
    expect(rawOf(decode(decoder, hex("be bf")))).to.deep.equal(["b", "", "a", ""]);
    expect(errorOf(decoder, hex("c0"))).to.equal("index without a field");
  });

  it("is emptied by a field that is larger than the table, and does not have it", () => {
    const decoder = new HpackDecoder({ ...limits, tableSize: 40 });
    decode(decoder, hex(a));
    // Its name is that of the field that it evicts.
    const list = decode(decoder, hex("7e 08 3132333435363738"));
    expect(rawOf(list)).to.deep.equal(["a", "12345678"]);
    expect(errorOf(decoder, hex("be"))).to.equal("index without a field");
  });

  it("evicts the oldest fields when it gets smaller", () => {
    const decoder = new HpackDecoder(limits);
    for (const block of [a, b]) decode(decoder, hex(block));
    // To 33 octets, then to the size of the setting again.
    expect(rawOf(decode(decoder, hex("3f02 3fe11f be")))).to.deep.equal(["b", ""]);
    expect(errorOf(decoder, hex("bf"))).to.equal("index without a field");
  });

  it("keeps the order of its fields while it grows and is full", () => {
    const decoder = new HpackDecoder({ ...limits, tableSize: 100 * 34 });
    for (let count = 1; count <= 300; count += 1) {
      const name = String.fromCharCode(count >> 8, count & 0xff);
      decode(decoder, Buffer.concat([hex("40 02"), Buffer.from(name, "latin1"), hex("00")]));
      const oldest = Math.max(1, count - 99);
      // An index above 126 takes a second octet.
      const index = 62 + count - oldest;
      const block = Buffer.from(index < 127 ? [0x80 | index] : [0xff, index - 127]);
      expect(decode(decoder, block)?.raw[0]).to.equal(
        String.fromCharCode(oldest >> 8, oldest & 0xff),
      );
    }
  });
});
