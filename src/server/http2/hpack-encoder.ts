/**
 * Encodes headers (RFC 7541). What the server sends is known beforehand but for a few values, so it
 * is encoded once for all connections, without Huffman codes, which cost both ends more than they
 * save here. A connection only adds which fields its client has in the dynamic table.
 */
import { FIELD_OVERHEAD, isPermittedName, isPermittedValue } from "./header-field.ts";
import { staticTable } from "./hpack-static-table.ts";

/** The table takes no more than this of what the client allows, in octets. It is also the default. */
const MAX_TABLE_SIZE = 4096;

/**
 * Nothing is ever evicted: a field that does not fit any more is sent as a literal. So many fields
 * have indexes of one octet.
 */
const MAX_INSERTIONS = 64;

/** Two table size updates, the first of which is 0. */
const MAX_SIZE_UPDATE_BYTES = 4;

/** `date` as a literal: its index takes two octets, the length one, the date 29. */
const DATE_BYTES = 32;

/** A run of encoded fields, or one field that is worth a place in the client's dynamic table. */
interface Piece {
  /** As literals without indexing, or as references to the static table. */
  readonly plain: Uint8Array;
  readonly indexed: IndexedField | undefined;
}

interface IndexedField {
  readonly key: string;
  /** With incremental indexing. */
  readonly literal: Uint8Array;
  /** In the table, in octets. */
  readonly size: number;
}

/** Headers, encoded once for all connections. */
export interface EncodedHeaders {
  readonly pieces: readonly Piece[];
  /** Whether `date` follows. */
  readonly dated: boolean;
  /** The most that a header block of them takes on any connection, in octets. */
  readonly maxBytes: number;
}

export interface EncodingOptions {
  /** Names of fields that go into the client's dynamic table. Only for values that are few. */
  readonly indexed?: readonly string[];
  /** Adds `date`, as of when the headers are sent. */
  readonly dated?: boolean;
}

/** Encodes names and values in turn, pseudo-headers first. @throws {TypeError} for what HTTP/2 forbids */
export function encodeHeaders(
  raw: readonly string[],
  { indexed = [], dated = false }: EncodingOptions = {},
): EncodedHeaders {
  const pieces: Piece[] = [];
  const out = Buffer.allocUnsafe(maxLength(raw));
  let start = 0;
  let at = 0;
  const endPiece = (field?: IndexedField) => {
    if (at > start) pieces.push({ plain: out.subarray(start, at), indexed: field });
    start = at;
  };
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    const value = raw[index + 1] as string;
    checkField(name, value);
    const known = staticIndexes.get(keyOf(name, value));
    const isIndexed = known === undefined && indexed.includes(name);
    if (isIndexed) endPiece();
    if (known === undefined) at = writeLiteral(out, at, false, name, value);
    else at = writeInteger(out, at, 0x80, 7, known);
    if (isIndexed) endPiece(indexedField(name, value));
  }
  endPiece();
  return { pieces, dated, maxBytes: at + (dated ? DATE_BYTES : 0) + MAX_SIZE_UPDATE_BYTES };
}

/** Encodes the header blocks of one connection, in the order in which they are sent. */
export class HpackEncoder {
  /** What the client allows and this encoder uses, in octets. */
  #tableSize = MAX_TABLE_SIZE;
  #used = 0;
  /** The keys of the fields that were inserted, the first one first. */
  readonly #insertions: string[] = [];
  /** Size updates that the next block begins with (section 4.2). */
  #sizeUpdates: number[] = [];

  /** The client's SETTINGS_HEADER_TABLE_SIZE, in octets. Takes effect with the next block. */
  setTableSize(bytes: number): void {
    const size = Math.min(bytes, MAX_TABLE_SIZE);
    if (size === this.#tableSize) return;
    const shrinks = size < this.#tableSize;
    if (shrinks) {
      // All fields are forgotten rather than some evicted: clients set this once, if at all.
      this.#insertions.length = 0;
      this.#used = 0;
    }
    const emptied = shrinks || this.#sizeUpdates[0] === 0;
    this.#sizeUpdates = emptied && size > 0 ? [0, size] : [size];
    this.#tableSize = size;
  }

  /** Writes a header block at `at`, and returns where it ends. It must then be sent. */
  write(headers: EncodedHeaders, out: Buffer, at: number): number {
    let end = this.#sizeUpdates.length > 0 ? this.#writeSizeUpdates(out, at) : at;
    for (const piece of headers.pieces) end = this.#writePiece(piece, out, end);
    return headers.dated ? copy(dateField(), out, end) : end;
  }

  #writePiece({ plain, indexed: field }: Piece, out: Buffer, at: number): number {
    if (field === undefined) return copy(plain, out, at);
    const inserted = this.#insertions.indexOf(field.key);
    if (inserted >= 0) {
      // Section 2.3.3: the last insertion comes first, after the static table.
      out[at] = 0x80 | (staticTable.length + this.#insertions.length - inserted);
      return at + 1;
    }
    const fits = this.#used + field.size <= this.#tableSize;
    if (!fits || this.#insertions.length === MAX_INSERTIONS) return copy(plain, out, at);
    this.#insertions.push(field.key);
    this.#used += field.size;
    return copy(field.literal, out, at);
  }

  /** Section 6.3. */
  #writeSizeUpdates(out: Buffer, at: number): number {
    let end = at;
    for (const size of this.#sizeUpdates) end = writeInteger(out, end, 0x20, 5, size);
    this.#sizeUpdates = [];
    return end;
  }
}

/** Indexes in the static table: of names, the first of several, and of whole fields. */
const staticIndexes = new Map<string, number>();
for (const [index, [name, value]] of staticTable.entries()) {
  if (!staticIndexes.has(name)) staticIndexes.set(name, index + 1);
  staticIndexes.set(keyOf(name, value), index + 1);
}

function keyOf(name: string, value: string): string {
  return `${name}: ${value}`;
}

function checkField(name: string, value: string): void {
  if (!isPermittedName(name.startsWith(":") ? name.slice(1) : name)) {
    throw new TypeError(`HTTP/2 does not permit a header named ${JSON.stringify(name)}`);
  }
  if (!isPermittedValue(value)) {
    throw new TypeError(`the value of the header ${name} has characters that HTTP does not permit`);
  }
}

function indexedField(name: string, value: string): IndexedField {
  const out = Buffer.allocUnsafe(maxLength([name, value]));
  const end = writeLiteral(out, 0, true, name, value);
  const size = name.length + value.length + FIELD_OVERHEAD;
  return { key: keyOf(name, value), literal: out.subarray(0, end), size };
}

/** An index and two lengths take at most ten octets for strings that fit into memory. */
function maxLength(raw: readonly string[]): number {
  return raw.reduce((sum, text) => sum + text.length + 10, 0);
}

/** With incremental indexing (section 6.2.1), or without indexing (section 6.2.2). */
function writeLiteral(out: Buffer, at: number, indexed: boolean, name: string, value: string) {
  const index = staticIndexes.get(name) ?? 0;
  const afterIndex = writeInteger(out, at, indexed ? 0x40 : 0x00, indexed ? 6 : 4, index);
  const afterName = index === 0 ? writeString(out, afterIndex, name) : afterIndex;
  return writeString(out, afterName, value);
}

/** Section 5.2, without Huffman code. */
function writeString(out: Buffer, at: number, text: string): number {
  const start = writeInteger(out, at, 0x00, 7, text.length);
  return start + out.write(text, start, "latin1");
}

/** Section 5.1. `form` are the bits before the prefix, which has `bits`. */
function writeInteger(out: Buffer, at: number, form: number, bits: number, value: number): number {
  const max = (1 << bits) - 1;
  out[at] = form | Math.min(value, max);
  if (value < max) return at + 1;
  let end = at + 1;
  let rest = value - max;
  for (; rest >= 0x80; rest >>>= 7) {
    out[end] = (rest & 0x7f) | 0x80;
    end += 1;
  }
  out[end] = rest;
  return end + 1;
}

function copy(bytes: Uint8Array, out: Buffer, at: number): number {
  out.set(bytes, at);
  return at + bytes.length;
}

let date = new Uint8Array(DATE_BYTES);
/** In seconds since 1970. */
let dateTime = Number.NaN;

/** The field `date` of now (RFC 9110, section 6.6.1). Encoded once a second. */
function dateField(): Uint8Array {
  const now = Math.floor(Date.now() / 1000);
  if (now !== dateTime) {
    const out = Buffer.allocUnsafe(DATE_BYTES);
    writeLiteral(out, 0, false, "date", new Date(now * 1000).toUTCString());
    date = out;
    dateTime = now;
  }
  return date;
}
