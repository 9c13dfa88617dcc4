/**
 * Writes Protobuf's binary form to one buffer that all messages share: a message is written at once and
 * then copied, so that each costs one allocation of its own size.
 */

/** Before each message of gRPC: one byte of flags and four of length. */
export const prefixBytes = 5;

/** There is no room for more, prefix included. */
export const scratchBytes = 64 * 1024;

/** The bytes that are being written. The prefix is filled in by `toEnvelope`. */
export const scratch = Buffer.allocUnsafe(scratchBytes);

/** The most bytes that a tag, a number or length, and one UTF-16 code unit take. */
export const maxTagBytes = 5;
export const maxVarintBytes = 10;
export const maxUtf8BytesPerUnit = 3;

export const delimitedWireType = 2;

/** Up to this length, text is written here: to call the runtime takes longer. */
const maxShortText = 64;

/** A copy of the message that ends at `end`, as an uncompressed gRPC envelope. */
export function toEnvelope(end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end);
  scratch.copy(bytes, prefixBytes, prefixBytes, end);
  return withPrefix(bytes);
}

/** Fills in the prefix of an uncompressed envelope. */
export function withPrefix(bytes: Buffer): Buffer {
  bytes[0] = 0;
  bytes.writeUInt32BE(bytes.length - prefixBytes, 1);
  return bytes;
}

/** Writes a whole number from 0 to 2^53 - 1. Returns the next position, as all of these. */
export function writeVarint(value: number, at: number): number {
  let rest = value;
  let end = at;
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) {
    scratch[end] = (rest % 0x80) | 0x80;
    end += 1;
  }
  for (; rest >= 0x80; rest >>>= 7) {
    scratch[end] = (rest & 0x7f) | 0x80;
    end += 1;
  }
  scratch[end] = rest;
  return end + 1;
}

/** Writes the length of the text in UTF-8, and the text. */
export function writeString(value: string, at: number): number {
  const units = value.length;
  if (units <= maxShortText) {
    let end = at + 1;
    for (let index = 0; index < units; index += 1) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) return writeLongString(value, at);
      scratch[end] = code;
      end += 1;
    }
    scratch[at] = units;
    return end;
  }
  return writeLongString(value, at);
}

function writeLongString(value: string, at: number): number {
  // In most texts each unit takes one byte, so this is room for the length.
  const start = at + varintBytes(value.length);
  return delimited(at, start, start + scratch.write(value, start));
}

/**
 * Writes the length, at `at`, of a body that has been written from `start` to `end`. There is room for
 * the usual length between them; if it takes another one, the body is moved.
 */
export function delimited(at: number, start: number, end: number): number {
  const length = end - start;
  const rightStart = at + varintBytes(length);
  if (rightStart !== start) scratch.copyWithin(rightStart, start, end);
  writeVarint(length, at);
  return rightStart + length;
}

export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}
