/**
 * RFC 7541, appendix B: the length of each octet's code, and of EOS (256). The code is canonical:
 * codes are numbered by length, and those of one length by octet, so that lengths say all.
 */
// biome-ignore format: sixteen octets a line
const lengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

/** The symbol that no string may contain. */
export const EOS = 256;

export interface HuffmanCode {
  /** An octet, or EOS. */
  readonly symbol: number;
  /** The code is the lowest bits of this number, `length` of them. */
  readonly bits: number;
  readonly length: number;
}

/** All codes, the shortest first. */
export const huffmanCodes: readonly HuffmanCode[] = numberCodes();

function numberCodes(): HuffmanCode[] {
  const codes: HuffmanCode[] = [];
  let bits = 0;
  for (let length = 1; length <= Math.max(...lengths); length += 1) {
    bits *= 2;
    for (const [symbol, symbolLength] of lengths.entries()) {
      if (symbolLength !== length) continue;
      codes.push({ symbol, bits, length });
      bits += 1;
    }
  }
  return codes;
}
