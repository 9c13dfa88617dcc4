/**
 * Huffman-coded strings (RFC 7541, section 5.2). A state machine takes four bits at a time: as no
 * code is shorter than five, each step completes at most one octet.
 */
import { ErrorCode, Http2Error } from "./frames.ts";

/**
 * RFC 7541, appendix B: the length of each octet's code, and of EOS, each as a digit in base 32. The
 * code is canonical: codes are numbered by length, and those of one length by octet.
 */
const lengths =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq" +
  "u";

/** The symbol that no string may contain. */
export const EOS = 256;

/** The symbol of each code, which is text of 0 and 1. */
export const huffmanCodes: ReadonlyMap<string, number> = numberCodes();

/** A step is the next state, the octet that it completes in the bits above, and these flags. */
const COMPLETES_OCTET = 1 << 16;
const FAILS = 1 << 17;

/** By state: the bits that have been read of a code. The first is none. There are 256. */
const states = [...new Set(Array.from(huffmanCodes.keys(), beginningsOf).flat())];
const stateOf = new Map(states.map((bits, state) => [bits, state]));
const steps = Uint32Array.from({ length: 16 * states.length }, (_, index) =>
  step(states[index >>> 4] as string, index & 0xf),
);
/** By state: whether it may pad a string: fewer than eight bits, all of them 1. */
const endings = states.map((bits) => /^1{0,7}$/.test(bits));

/** Shared by all strings, as each is decoded in one go. It stays as large as the longest needed. */
let scratch = Buffer.allocUnsafeSlow(4096);

/**
 * Decodes a string to one character for each octet. @throws {Http2Error} COMPRESSION_ERROR for EOS in
 * it, and for padding that is longer than seven bits or not the beginning of EOS
 */
export function decodeHuffman(buffer: Buffer, start: number, end: number): string {
  // An octet of the string has at least five bits, so eight coded octets hold at most 12.
  const maxLength = (end - start) * 2;
  if (maxLength > scratch.length) scratch = Buffer.allocUnsafeSlow(maxLength);
  const out = scratch;
  let length = 0;
  let state = 0;
  let failures = 0;
  for (let at = start; at < end; at += 1) {
    const octet = buffer[at] as number;
    let step = steps[(state << 4) | (octet >>> 4)] as number;
    failures |= step;
    if ((step & COMPLETES_OCTET) !== 0) {
      out[length] = step >>> 8;
      length += 1;
    }
    state = step & 0xff;
    step = steps[(state << 4) | (octet & 0xf)] as number;
    failures |= step;
    if ((step & COMPLETES_OCTET) !== 0) {
      out[length] = step >>> 8;
      length += 1;
    }
    state = step & 0xff;
  }
  if ((failures & FAILS) !== 0 || endings[state] !== true) {
    throw new Http2Error(ErrorCode.COMPRESSION_ERROR, "Huffman code with EOS or wrong padding");
  }
  return out.toString("latin1", 0, length);
}

function numberCodes(): Map<string, number> {
  const codes = new Map<string, number>();
  let next = 0;
  for (let length = 1; length < 32; length += 1) {
    next *= 2;
    for (let symbol = 0; symbol <= EOS; symbol += 1) {
      if (lengths[symbol] !== length.toString(32)) continue;
      codes.set(next.toString(2).padStart(length, "0"), symbol);
      next += 1;
    }
  }
  return codes;
}

function beginningsOf(code: string): string[] {
  return Array.from(code, (_, length) => code.slice(0, length));
}

function step(state: string, nibble: number): number {
  let read = state;
  let completed = 0;
  for (const bit of nibble.toString(2).padStart(4, "0")) {
    read += bit;
    const symbol = huffmanCodes.get(read);
    if (symbol === EOS) return FAILS;
    if (symbol === undefined) continue;
    completed = COMPLETES_OCTET | (symbol << 8);
    read = "";
  }
  return completed | (stateOf.get(read) as number);
}
