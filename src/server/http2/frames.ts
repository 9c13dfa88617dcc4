/** The constants and errors of RFC 9113, and the head of a frame (section 4.1). */

/** Section 6. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const Flag = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;

/** Section 7: those that this server sends. */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** A connection error (section 5.4.1): the connection ends with a GOAWAY of this code. */
export class Http2Error extends Error {
  override readonly name = "Http2Error";
  readonly code: ErrorCode;

  /** @param message what the client has done, for logs; it must not repeat what the client sent */
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a client does too much of. */
export type FloodBudget = "frames" | "resets" | "rapid_resets" | "headers" | "streams" | "other";

/** A client has exceeded a limit against floods. */
export class FloodError extends Http2Error {
  readonly budget: FloodBudget;

  constructor(budget: FloodBudget, message: string) {
    super(ErrorCode.ENHANCE_YOUR_CALM, message);
    this.budget = budget;
  }
}

/** Section 6.5.2. */
export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** What a client sends first (section 3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FRAME_HEAD_BYTES = 9;

/** The largest payload that a side accepts before it has said otherwise; this server always. */
export const DEFAULT_MAX_FRAME_SIZE = 16_384;

export const DEFAULT_HEADER_TABLE_SIZE = 4096;

/** The size of windows at first (section 6.9.2), and the largest (section 6.9.1). */
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fff_ffff;

export const MAX_STREAM_ID = 0x7fff_ffff;

/** An integer of 31 bits: the highest bit is reserved, and ignored. */
export function readUint31(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) & 0x7fff_ffff;
}

/** Returns where the payload begins. */
export function writeFrameHead(
  out: Buffer,
  at: number,
  length: number,
  type: FrameType,
  flags: number,
  streamId: number,
): number {
  out.writeUInt32BE((length << 8) | type, at);
  out[at + 4] = flags;
  return out.writeUInt32BE(streamId, at + 5);
}

/** A whole frame. @param payload integers of 32 bits */
export function encodeFrame(type: FrameType, flags: number, id: number, ...payload: number[]) {
  const length = 4 * payload.length;
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + length);
  let at = writeFrameHead(frame, 0, length, type, flags, id);
  for (const value of payload) at = frame.writeUInt32BE(value, at);
  return frame;
}
