import type { HeaderList } from "./header-list.ts";

/** Larger header blocks are decoded each time. In octets. */
const MAX_BLOCK = 1024;

/**
 * What at most `capacity` header blocks have been decoded to. Clients repeat them: a method's requests
 * differ in their bodies. A block gets a place when it comes the second time, so that blocks with
 * something that changes, such as a timeout, neither cost a copy nor take the place of others.
 */
export class BlockMemo {
  readonly #capacity: number;
  readonly #entries: { readonly block: Uint8Array; readonly list: HeaderList }[] = [];
  /** Hashes of blocks that came once. */
  readonly #hashes: number[] = [];
  /** The places that are given away next. */
  #next = 0;
  #nextHash = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  find(buffer: Buffer, start: number, end: number): HeaderList | undefined {
    for (const { block, list } of this.#entries) {
      if (block.length === end - start && isEqual(block, buffer, start)) return list;
    }
    return undefined;
  }

  /** The block was decoded, and has not changed the dynamic table. */
  add(buffer: Buffer, start: number, end: number, list: HeaderList): void {
    if (this.#capacity === 0 || end - start > MAX_BLOCK) return;
    const hash = hashOf(buffer, start, end);
    if (!this.#hashes.includes(hash)) {
      this.#hashes[this.#nextHash] = hash;
      this.#nextHash = (this.#nextHash + 1) % this.#capacity;
      return;
    }
    this.#entries[this.#next] = { block: Uint8Array.from(buffer.subarray(start, end)), list };
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** For when the dynamic table has changed: the same blocks mean something else now. */
  clear(): void {
    this.#entries.length = 0;
    this.#next = 0;
  }
}

/** Blocks differ in what comes last rather than in their pseudo-headers, so it goes backwards. */
function isEqual(block: Uint8Array, buffer: Buffer, start: number): boolean {
  for (let at = block.length - 1; at >= 0; at -= 1) {
    if (block[at] !== buffer[start + at]) return false;
  }
  return true;
}

/** FNV-1a. Blocks of the same hash only waste a place. */
function hashOf(buffer: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) {
    hash = Math.imul(hash ^ (buffer[at] as number), 0x01000193);
  }
  return hash;
}
