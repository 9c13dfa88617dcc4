/**
 * Huffman-coded strings (RFC 7541, section 5.2). A state machine takes four bits at a time: as no
 * code is shorter than five, each step completes at most one octet.
 */
import { Http2Error } from "./errors.ts";
import { ErrorCode } from "./frames.ts";
import { EOS, huffmanCodes } from "./huffman-code.ts";

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
const steps = buildSteps();
/** By state: whether a string may end there. */
const endings = Uint8Array.from(nodes, (node) => (node.padding ? 1 : 0));

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
  if ((failures & FAILS) !== 0 || endings[state] === 0) {
    throw new Http2Error(ErrorCode.COMPRESSION_ERROR, "Huffman code with EOS or wrong padding");
  }
  return out.toString("latin1", 0, length);
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
    for (let shift = length - 1; shift > 0; shift -= 1) {
      const bit = (bits >>> shift) & 1;
      const depth = length - shift;
      node.next[bit] ??= add(node.padding && bit === 1 && depth < 8);
      node = node.next[bit] as Node;
    }
    node.next[bits & 1] = symbol;
  }
  return all;
}

function buildSteps(): Uint32Array {
  const table = new Uint32Array(nodes.length * 16);
  for (const start of nodes) {
    for (let nibble = 0; nibble < 16; nibble += 1) {
      table[start.state * 16 + nibble] = step(start, nibble);
    }
  }
  return table;
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
