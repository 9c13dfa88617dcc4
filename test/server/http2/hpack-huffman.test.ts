import { expect } from "chai";
import fc from "fast-check";
import { ErrorCode, Http2Error } from "../../../src/server/http2/frames.ts";
import { decodeHuffman, EOS, huffmanCodes } from "../../../src/server/http2/huffman.ts";

const bitsOf = new Map([...huffmanCodes].map(([bits, symbol]) => [symbol, bits]));

function codeOf(symbols: Iterable<number>): string {
  return Array.from(symbols, (symbol) => bitsOf.get(symbol) ?? "").join("");
}

/** The octets of whole bits. */
function pack(bits: string): Buffer {
  return Buffer.from(bits.match(/.{8}/g)?.map((octet) => Number.parseInt(octet, 2)) ?? []);
}

/** Fills the last octet with the beginning of EOS. */
const pad = (bits: string) => bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");

/** Undefined: it is a compression error. */
function decode(coded: Uint8Array): Buffer | undefined {
  const buffer = Buffer.concat([Buffer.from([0]), coded, Buffer.from([0])]);
  try {
    return Buffer.from(decodeHuffman(buffer, 1, 1 + coded.length), "latin1");
  } catch (error) {
    if (!(error instanceof Http2Error) || error.code !== ErrorCode.COMPRESSION_ERROR) throw error;
    return undefined;
  }
}

/** Bit by bit, as RFC 7541, section 5.2, says it. */
function decodeSlowly(coded: Uint8Array): Buffer | undefined {
  const octets: number[] = [];
  let code = "";
  for (const octet of coded) {
    for (const bit of octet.toString(2).padStart(8, "0")) {
      code += bit;
      const symbol = huffmanCodes.get(code);
      if (symbol === EOS) return undefined;
      if (symbol === undefined) continue;
      octets.push(symbol);
      code = "";
    }
  }
  return /^1{0,7}$/.test(code) ? Buffer.from(octets) : undefined;
}

describe("Huffman code", () => {
  it("is that of RFC 7541, appendix B, where clients of node:http2 cannot show it", () => {
    const shown = [...Array(33).keys(), 127, EOS].map((symbol) => {
      const bits = bitsOf.get(symbol) ?? "";
      return `${Number.parseInt(bits, 2).toString(16)}/${bits.length}`;
    });
    expect(shown.join(" ")).to.equal(
      "1ff8/13 7fffd8/23 fffffe2/28 fffffe3/28 fffffe4/28 fffffe5/28 fffffe6/28 fffffe7/28 " +
        "fffffe8/28 ffffea/24 3ffffffc/30 fffffe9/28 fffffea/28 3ffffffd/30 fffffeb/28 " +
        "fffffec/28 fffffed/28 fffffee/28 fffffef/28 ffffff0/28 ffffff1/28 ffffff2/28 " +
        "3ffffffe/30 ffffff3/28 ffffff4/28 ffffff5/28 ffffff6/28 ffffff7/28 ffffff8/28 " +
        "ffffff9/28 ffffffa/28 ffffffb/28 14/6 ffffffc/28 3fffffff/30",
    );
  });

  it("is complete: each sequence of bits begins with one code", () => {
    const covered = [...huffmanCodes.keys()].reduce((sum, { length }) => sum + 2 ** -length, 0);
    expect([bitsOf.size, covered]).to.deep.equal([257, 1]);
  });

  it("is decoded, each octet after and before each other", () => {
    for (let first = 0; first < 256; first += 1) {
      const octets = Buffer.from(
        Array.from({ length: 512 }, (_, at) => (at % 2 ? at >> 1 : first)),
      );
      expect(decode(pack(pad(codeOf(octets))))).to.deep.equal(octets);
    }
  });

  it("is decoded in strings of any length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 10_000 }), (octets) => {
        expect(decode(pack(pad(codeOf(octets))))).to.deep.equal(Buffer.from(octets));
      }),
    );
  });

  it("is decoded as bit by bit, whatever the octets are", () => {
    const mostlyOnes = fc.array(fc.constantFrom(0xff, 0xfe, 0xef, 0x7f, 0x00, 0x3f), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), mostlyOnes), (octets) => {
        const coded = Uint8Array.from(octets);
        expect(decode(coded)).to.deep.equal(decodeSlowly(coded));
      }),
      { numRuns: 2000 },
    );
  });

  it("must not contain EOS, wherever it begins", () => {
    for (let before = 0; before < 8; before += 1) {
      // "0" has five bits, so that EOS begins at each bit of an octet.
      const zeros = new Array<number>(before).fill("0".charCodeAt(0));
      const bits = codeOf([...zeros, EOS]);
      expect(decode(pack(pad(bits)))).to.equal(undefined);
      expect(decode(pack(pad(bits + codeOf(zeros))))).to.equal(undefined);
    }
  });

  it("is padded with the beginning of EOS, and with less than an octet", () => {
    // Eight of "0" are five octets without padding.
    const whole = codeOf(Buffer.from("00000000"));
    expect(decode(pack(whole))?.toString()).to.equal("00000000");
    expect(decode(pack(`${whole}11111111`))).to.equal(undefined);
    for (let count = 1; count < 8; count += 1) {
      const bits = codeOf(Buffer.from("0".repeat(count)));
      const padded = pad(bits);
      expect(decode(pack(padded))?.length).to.equal(count);
      expect(decode(pack(`${padded}11111111`))).to.equal(undefined);
      for (let at = bits.length; at < padded.length; at += 1) {
        const wrong = `${padded.slice(0, at)}0${padded.slice(at + 1)}`;
        expect(decode(pack(wrong))).to.deep.equal(decodeSlowly(pack(wrong)));
      }
      expect(decode(pack(bits.padEnd(padded.length, "0"))), `${count}`).to.deep.equal(
        decodeSlowly(pack(bits.padEnd(padded.length, "0"))),
      );
    }
    expect(decode(pack(`${codeOf(Buffer.from("0"))}110`))).to.equal(undefined);
  });
});
