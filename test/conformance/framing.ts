const prefixBytes = 4;

/** Encodes a message for the suite's pipes: its length, then its bytes. */
export function encodeFrame(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(prefixBytes + message.length);
  frame.writeUInt32BE(message.length);
  frame.set(message, prefixBytes);
  return frame;
}

/** Reads the first message of the input. */
export async function readFrame(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let received = Buffer.alloc(0);
  for await (const chunk of source) {
    received = Buffer.concat([received, chunk]);
    if (received.length < prefixBytes) continue;
    const end = prefixBytes + received.readUInt32BE();
    if (received.length >= end) return received.subarray(prefixBytes, end);
  }
  throw new Error(`the input ended after ${received.length} bytes, within a message`);
}
