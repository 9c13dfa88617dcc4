/** Writes Protobuf's binary form: as much of it as io.prometheus.client needs. */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;

/** @param value an integer of at most 53 bits, not negative */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A signed integer of at most 52 bits, as sint32 and sint64 are written. */
export function zigzag(value: number): Buffer {
  return varint(value < 0 ? -2 * value - 1 : 2 * value);
}

export function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, FIXED64), bytes]);
}

export function varintField(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, VARINT), varint(value)]);
}

export function sintField(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, VARINT), zigzag(value)]);
}

/** A message, a packed list, or text. */
export function bytesField(field: number, value: string | readonly Buffer[]): Buffer {
  return Buffer.concat([tag(field, LENGTH_DELIMITED), delimited(value)]);
}

/** With its length before it. */
export function delimited(value: string | readonly Buffer[]): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : Buffer.concat(value);
  return Buffer.concat([varint(bytes.length), bytes]);
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}
