import { BlockMemo } from "./block-memo.ts";
import { ErrorCode, Http2Error } from "./frames.ts";
import { HeaderField } from "./header-field.ts";
import { HeaderList } from "./header-list.ts";
import { HpackDynamicTable } from "./hpack-dynamic-table.ts";
import { staticTable } from "./hpack-static-table.ts";
import { decodeHuffman } from "./huffman.ts";

export interface HpackDecoderOptions {
  /** SETTINGS_HEADER_TABLE_SIZE, in octets: 4,096 for clients that do not know it beforehand. */
  readonly tableSize: number;
  /** Of a list: octets as SETTINGS_MAX_HEADER_LIST_SIZE counts them, and fields with pseudo-headers. */
  readonly maxListSize: number;
  readonly maxFields: number;
  /** How many header blocks are remembered with their lists. */
  readonly memoEntries: number;
}

/** RFC 7541, section 4.2: the smallest and the last size of those that the client was told. */
const MAX_SIZE_UPDATES = 2;

/** Four octets after the prefix are 28 bits: more than any limit here, and no overflow. */
const MAX_INTEGER_SHIFT = 21;

const staticFields = staticTable.map(([name, value]) => new HeaderField(name, value));

/**
 * Decodes the header blocks of one connection, in their order (RFC 7541). Each octet of a block costs
 * constant time. A list above its limits is not collected: references to one large field take no memory.
 */
export class HpackDecoder {
  readonly #options: HpackDecoderOptions;
  readonly #table: HpackDynamicTable;
  readonly #memo: BlockMemo;
  /** Where the block is being read. */
  #at = 0;
  /** Whether the block has changed the dynamic table. */
  #changed = false;

  constructor(options: HpackDecoderOptions) {
    this.#options = options;
    this.#table = new HpackDynamicTable(options.tableSize);
    this.#memo = new BlockMemo(options.memoEntries);
  }

  /**
   * Decodes a whole header block. Undefined: the list is above `maxListSize` or `maxFields`; the dynamic
   * table is right all the same, so that the connection may go on. @throws {Http2Error} COMPRESSION_ERROR
   */
  decode(block: Buffer, start: number, end: number): HeaderList | undefined {
    const known = this.#memo.find(block, start, end);
    if (known !== undefined) return known;
    this.#at = start;
    this.#changed = false;
    this.#readSizeUpdates(block, end);
    const list = this.#readFields(block, end);
    if (this.#changed) this.#memo.clear();
    else if (list !== undefined) this.#memo.add(block, start, end, list);
    return list;
  }

  #readFields(block: Buffer, end: number): HeaderList | undefined {
    const { maxFields, maxListSize } = this.#options;
    const fields: HeaderField[] = [];
    let count = 0;
    let size = 0;
    while (this.#at < end) {
      const field = this.#readField(block, end);
      count += 1;
      size += field.size;
      if (count <= maxFields && size <= maxListSize) fields.push(field);
    }
    return fields.length === count ? new HeaderList(fields, size) : undefined;
  }

  /** Section 6. */
  #readField(block: Buffer, end: number): HeaderField {
    const first = block[this.#at] as number;
    // Section 6.1.
    if (first >= 0x80) return this.#field(this.#readInteger(block, end, 7));
    // Section 6.2.1.
    if (first >= 0x40) {
      const field = this.#readLiteral(block, end, 6);
      this.#table.insert(field);
      this.#changed = true;
      return field;
    }
    if (first >= 0x20) throw compressionError("table size update after a field");
    // Sections 6.2.2 and 6.2.3. They differ only for who passes the field on.
    return this.#readLiteral(block, end, 4);
  }

  /** Section 6.3; section 4.2 says that they are at the beginning of a block. */
  #readSizeUpdates(block: Buffer, end: number): void {
    for (let updates = 1; this.#at < end; updates += 1) {
      const first = block[this.#at] as number;
      if (first < 0x20 || first >= 0x40) return;
      const size = this.#readInteger(block, end, 5);
      if (updates > MAX_SIZE_UPDATES) throw compressionError("too many table size updates");
      if (size > this.#options.tableSize) throw compressionError("table size above the setting");
      this.#table.resize(size);
      this.#changed = true;
    }
  }

  #readLiteral(block: Buffer, end: number, prefixBits: number): HeaderField {
    const index = this.#readInteger(block, end, prefixBits);
    const name = index === 0 ? this.#readString(block, end) : this.#field(index).name;
    return new HeaderField(name, this.#readString(block, end));
  }

  /** Section 2.3.3. */
  #field(index: number): HeaderField {
    const back = index - staticFields.length - 1;
    const field = back < 0 ? staticFields[index - 1] : this.#table.get(back);
    if (field === undefined) throw compressionError("index without a field");
    return field;
  }

  /** Section 5.2. */
  #readString(block: Buffer, end: number): string {
    if (this.#at >= end) throw compressionError("header block ends within a field");
    const isHuffman = (block[this.#at] as number) >= 0x80;
    const length = this.#readInteger(block, end, 7);
    const start = this.#at;
    if (length > end - start) throw compressionError("string is longer than the header block");
    this.#at = start + length;
    if (isHuffman) return decodeHuffman(block, start, this.#at);
    return block.toString("latin1", start, this.#at);
  }

  /** Section 5.1. There is an octet to read. */
  #readInteger(block: Buffer, end: number, prefixBits: number): number {
    const max = (1 << prefixBits) - 1;
    let value = (block[this.#at] as number) & max;
    this.#at += 1;
    if (value < max) return value;
    for (let shift = 0; shift <= MAX_INTEGER_SHIFT; shift += 7) {
      if (this.#at >= end) throw compressionError("header block ends within an integer");
      const octet = block[this.#at] as number;
      this.#at += 1;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw compressionError("integer is too long");
  }
}

function compressionError(message: string): Http2Error {
  return new Http2Error(ErrorCode.COMPRESSION_ERROR, message);
}
