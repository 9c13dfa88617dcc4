import { Frame } from "./frame.ts";
import * as frames from "./frames.ts";
import { ErrorCode, FRAME_HEAD_BYTES, Http2Error, PREFACE } from "./frames.ts";

/** What a part of a frame gets at least, in octets; then it gets twice as much as it has. */
const SMALLEST_PART_BYTES = 64;

/**
 * Finds the frames in what arrives (RFC 9113, section 4.1), wherever it is cut. A whole one is passed on
 * where it is. A part is copied, into room that grows with what has come, not with what was announced.
 */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #frame = new Frame();
  /** Octets of the preface that have come. */
  #preface = 0;
  #part: Buffer | undefined = undefined;
  #partLength = 0;
  #stopped = false;
  /** Since when a part of a frame waits for the rest, of performance.now(). Undefined: none does. */
  partSince: number | undefined = undefined;

  /** @param onFrame gets each frame, which stays only during the call */
  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  /** No frame is passed on any more, also of the present chunk. */
  stop(): void {
    this.#stopped = true;
    this.#part = undefined;
    this.partSince = undefined;
  }

  /** @throws {Http2Error} a wrong preface or frame */
  read(chunk: Buffer): void {
    if (this.#stopped) return;
    let at = this.#preface < PREFACE.length ? this.#readPreface(chunk) : 0;
    if (this.#part !== undefined) at = this.#completePart(this.#part, chunk, at);
    while (chunk.length - at >= FRAME_HEAD_BYTES && !this.#stopped) {
      const next = at + frameLength(chunk, at);
      if (next > chunk.length) break;
      this.#onFrame(this.#frame.read(chunk, at, next));
      at = next;
    }
    if (at < chunk.length && !this.#stopped) {
      this.#part = Buffer.allocUnsafeSlow(Math.max(chunk.length - at, SMALLEST_PART_BYTES));
      this.#partLength = chunk.copy(this.#part, 0, at);
      this.partSince = performance.now();
    }
    this.#frame.release();
  }

  /** Section 3.4. Returns where the frames begin. */
  #readPreface(chunk: Buffer): number {
    const length = Math.min(PREFACE.length - this.#preface, chunk.length);
    if (chunk.compare(PREFACE, this.#preface, this.#preface + length, 0, length) !== 0) {
      throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "the connection preface is not HTTP/2's");
    }
    this.#preface += length;
    return length;
  }

  /** Returns where the rest of the chunk begins. */
  #completePart(part: Buffer, chunk: Buffer, start: number): number {
    const at = this.#append(part, chunk, start, FRAME_HEAD_BYTES);
    if (this.#partLength < FRAME_HEAD_BYTES) return at;
    const size = frameLength(part, 0);
    const end = this.#append(part, chunk, at, size);
    if (this.#partLength < size) return end;
    const frame = this.#part as Buffer;
    this.#part = undefined;
    this.partSince = undefined;
    this.#onFrame(this.#frame.read(frame, 0, size));
    return end;
  }

  /** Appends to the part until it has `size` octets, or there are no more. */
  #append(part: Buffer, chunk: Buffer, start: number, size: number): number {
    const end = Math.min(chunk.length, start + Math.max(0, size - this.#partLength));
    const length = this.#partLength + end - start;
    let room = part;
    if (room.length < length) {
      room = Buffer.allocUnsafeSlow(Math.max(length, Math.min(size, 2 * length)));
      part.copy(room, 0, 0, this.#partLength);
      this.#part = room;
    }
    chunk.copy(room, this.#partLength, start, end);
    this.#partLength = length;
    return end;
  }
}

/** With its head, of whose first 32 bits the last 8 are the type. */
function frameLength(buffer: Buffer, at: number): number {
  const length = buffer.readUInt32BE(at) >>> 8;
  if (length <= frames.DEFAULT_MAX_FRAME_SIZE) return FRAME_HEAD_BYTES + length;
  const message = `a frame is larger than ${frames.DEFAULT_MAX_FRAME_SIZE} octets`;
  throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, message);
}
