import { staticTable } from "../../../../src/server/http2/hpack-static-table.ts";

export type Field = readonly [name: string, value: string];

const DEFAULT_TABLE_SIZE = 4096;

/**
 * A client's HPACK decoder (RFC 7541), which has nothing but the static table in common with the server's
 * code. It takes what a decoder could tolerate for an error, such as Huffman codes, which the server does
 * not use.
 */
export class ResponseHeaders {
  #table: Field[] = [];
  #used = 0;
  #size = DEFAULT_TABLE_SIZE;
  #limit = DEFAULT_TABLE_SIZE;
  /** The smallest limit since the last block, which must begin with an update to it or below it. */
  #smallestLimit: number | undefined;

  /** SETTINGS_HEADER_TABLE_SIZE, once the server has acknowledged it. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
    if (bytes < this.#size || this.#smallestLimit !== undefined) {
      this.#smallestLimit = Math.min(this.#smallestLimit ?? bytes, bytes);
    }
  }

  decode(block: Buffer): Field[] {
    const fields: Field[] = [];
    const reader = new Reader(block);
    while (!reader.atEnd) {
      const first = reader.peek();
      if ((first & 0xe0) === 0x20) {
        if (fields.length > 0) throw new Error("a table size update after a field");
        this.#resize(reader.integer(5));
        continue;
      }
      if (this.#smallestLimit !== undefined) {
        throw new Error("no table size update after a smaller SETTINGS_HEADER_TABLE_SIZE");
      }
      if ((first & 0x80) !== 0) fields.push(this.#entry(reader.integer(7)));
      else {
        const isIndexed = (first & 0x40) !== 0;
        const nameIndex = reader.integer(isIndexed ? 6 : 4);
        const name = nameIndex === 0 ? reader.string() : this.#entry(nameIndex)[0];
        const field: Field = [name, reader.string()];
        fields.push(field);
        if (isIndexed) this.#insert(field);
      }
    }
    return fields;
  }

  #resize(size: number): void {
    if (size > this.#limit) throw new Error(`a table size of ${size} above ${this.#limit}`);
    if (this.#smallestLimit !== undefined && size <= this.#smallestLimit) {
      this.#smallestLimit = undefined;
    }
    this.#size = size;
    this.#evict();
  }

  #entry(index: number): Field {
    const field = index <= staticTable.length ? staticTable[index - 1] : this.#table[index - 62];
    if (field === undefined) throw new Error(`there is no field with the index ${index}`);
    return field;
  }

  #insert(field: Field): void {
    this.#table.unshift(field);
    this.#used += sizeOf(field);
    this.#evict();
  }

  #evict(): void {
    while (this.#used > this.#size) this.#used -= sizeOf(this.#table.pop() as Field);
  }
}

function sizeOf([name, value]: Field): number {
  return name.length + value.length + 32;
}

class Reader {
  readonly #block: Buffer;
  #at = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  get atEnd(): boolean {
    return this.#at === this.#block.length;
  }

  peek(): number {
    return this.#block.readUInt8(this.#at);
  }

  #next(): number {
    const octet = this.peek();
    this.#at += 1;
    return octet;
  }

  integer(bits: number): number {
    const max = 2 ** bits - 1;
    let value = this.#next() & max;
    if (value < max) return value;
    for (let factor = 1; ; factor *= 128) {
      const octet = this.#next();
      value += (octet & 0x7f) * factor;
      if ((octet & 0x80) === 0) return value;
    }
  }

  string(): string {
    if ((this.peek() & 0x80) !== 0) throw new Error("a Huffman code");
    const length = this.integer(7);
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#block.length) throw new Error("a string beyond the end of its block");
    return this.#block.toString("latin1", start, this.#at);
  }
}
