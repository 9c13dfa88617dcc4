import { ErrorCode, Flag, FRAME_HEAD_BYTES, FrameType, Http2Error, readUint31 } from "./frames.ts";

const PRIORITY_BYTES = 5;
const ANY = Number.POSITIVE_INFINITY;
const NOTHING = Buffer.alloc(0);

/**
 * By type (RFC 9113, section 6): the name, whether the frame is of a stream (undefined: or of the
 * connection), and how many octets its payload has at least and at most.
 */
const rules: readonly (readonly [string, boolean | undefined, number, number])[] = [
  ["DATA", true, 0, ANY],
  ["HEADERS", true, 0, ANY],
  ["PRIORITY", true, PRIORITY_BYTES, PRIORITY_BYTES],
  ["RST_STREAM", true, 4, 4],
  ["SETTINGS", false, 0, ANY],
  ["PUSH_PROMISE", undefined, 0, ANY],
  ["PING", false, 8, 8],
  ["GOAWAY", false, 8, ANY],
  ["WINDOW_UPDATE", undefined, 4, 4],
  ["CONTINUATION", true, 0, ANY],
];

/**
 * A frame that is right in itself. Violations are connection errors, also where a stream error would do:
 * section 5.4.1 permits it, and no honest client commits them.
 */
export class Frame {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Octets of the payload: what counts for flow control. */
  length = 0;
  /** The payload without padding and priority is from `start` to `end`. */
  buffer: Buffer = NOTHING;
  start = 0;
  end = 0;

  /** Becomes the whole frame there. @throws {Http2Error} */
  read(buffer: Buffer, at: number, end: number): this {
    this.type = buffer[at + 3] as number;
    this.flags = buffer[at + 4] as number;
    this.streamId = readUint31(buffer, at + 5);
    this.buffer = buffer;
    this.start = at + FRAME_HEAD_BYTES;
    this.end = end;
    this.length = end - this.start;
    const rule = rules[this.type];
    if (rule === undefined) return this;
    if (rule[1] !== undefined && rule[1] !== this.streamId > 0) this.#fail("is on a wrong stream");
    this.#require(rule[2], rule[3]);
    if (this.type <= FrameType.PRIORITY) this.#removePaddingAndPriority();
    return this;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Lets the buffer go. */
  release(): void {
    this.buffer = NOTHING;
  }

  /** Sections 6.1 to 6.3. Priorities are not used. */
  #removePaddingAndPriority(): void {
    const hasPriority = this.type === FrameType.HEADERS && this.has(Flag.PRIORITY);
    if (this.type !== FrameType.PRIORITY && this.has(Flag.PADDED)) {
      this.#require(1);
      this.end -= this.buffer[this.start] as number;
      this.start += 1;
    }
    if (hasPriority || this.type === FrameType.PRIORITY) {
      this.#require(PRIORITY_BYTES);
      // RFC 7540, section 5.3.1.
      if (readUint31(this.buffer, this.start) === this.streamId) this.#fail("depends on itself");
      this.start += PRIORITY_BYTES;
    }
    if (this.start > this.end) this.#fail("has too much padding");
  }

  #require(min: number, max = ANY): void {
    if (this.length < min || this.length > max) {
      this.#fail("has a wrong length", ErrorCode.FRAME_SIZE_ERROR);
    }
  }

  #fail(fault: string, code: ErrorCode = ErrorCode.PROTOCOL_ERROR): never {
    throw new Http2Error(code, `${rules[this.type]?.[0]} ${fault}`);
  }
}
