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

/** All codes: the lowest `length` of `bits`, for an octet or EOS. The shortest come first. */
export const huffmanCodes = numberCodes();

/** An inner node of the tree of codes: where a bit leads, to a node or to a complete symbol. */
interface Node {
  readonly state: number;
  readonly next: [Node | number | undefined, Node | number | undefined];
  /** Whether the bits from the root to here may pad a string: fewer than eight, all of them 1. */
  readonly padding: boolean;
}

/** A step is the next state, the octet that it completes in the bits above, and these flags. */
const COMPLETES_OCTET = 1 << 16;
const FAILS = 1 << 17;

const nodes = buildTree();
const steps = Uint32Array.from({ length: 16 * nodes.length }, (_, index) =>
  step(nodes[index >>> 4] as Node, index & 0xf),
);

/** Shared by all strings, as each is decoded in one go. It stays as large as the longest needed. */
let scratch = Buffer.allocUnsafeSlow(4096);

/**
 * Decodes a string to one character for each octet.
 *
 * @throws {Http2Error} COMPRESSION_ERROR for EOS in the string, and for padding that is longer than
 *   seven bits or not the beginning of EOS
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
  if ((failures & FAILS) !== 0 || nodes[state]?.padding !== true) {
    throw new Http2Error(ErrorCode.COMPRESSION_ERROR, "Huffman code with EOS or wrong padding");
  }
  return out.toString("latin1", 0, length);
}

function numberCodes(): { symbol: number; bits: number; length: number }[] {
  const codes = [];
  let bits = 0;
  for (let length = 1; length < 32; length += 1) {
    bits *= 2;
    for (let symbol = 0; symbol <= EOS; symbol += 1) {
      if (lengths[symbol] !== length.toString(32)) continue;
      codes.push({ symbol, bits, length });
      bits += 1;
    }
  }
  return codes;
}

function buildTree(): Node[] {
  const all: Node[] = [];
  const add = (padding: boolean): Node => {
    const node: Node = { state: all.length, next: [undefined, undefined], padding };
    all.push(node);
    return node;
  };
  const root = add(true);
  for (const { symbol, bits, length } of huffmanCodes) {
    let node = root;
    for (let depth = 1; depth < length; depth += 1) {
      const bit = (bits >>> (length - depth)) & 1;
      node.next[bit] ??= add(node.padding && bit === 1 && depth < 8);
      node = node.next[bit] as Node;
    }
    node.next[bits & 1] = symbol;
  }
  return all;
}

function step(start: Node, nibble: number): number {
  let node = start;
  let flags = 0;
  for (let shift = 3; shift >= 0; shift -= 1) {
    const next = node.next[(nibble >>> shift) & 1] as Node | number;
    if (next === EOS) return FAILS;
    if (typeof next === "number") {
      flags = COMPLETES_OCTET | (next << 8);
      node = nodes[0] as Node;
    } else {
      node = next;
    }
  }
  return flags | node.state;
}
