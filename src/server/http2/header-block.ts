import type { Frame } from "./frame.ts";
import { DEFAULT_MAX_FRAME_SIZE, Flag, FloodError } from "./frames.ts";

/** How many frames a block may have beyond those that it needs. */
export const SPARE_FRAMES = 8;

/** A header block that goes on in CONTINUATION frames (RFC 9113, sections 4.3 and 6.10). */
export class HeaderBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  /** Of performance.now(). */
  readonly since = performance.now();
  readonly #parts: Buffer[] = [];
  #bytesLeft: number;
  #framesLeft: number;

  /** @param maxBytes of the whole block */
  constructor(headers: Frame, maxBytes: number) {
    this.streamId = headers.streamId;
    this.endStream = headers.has(Flag.END_STREAM);
    this.#bytesLeft = maxBytes;
    this.#framesLeft = Math.ceil(maxBytes / DEFAULT_MAX_FRAME_SIZE) + SPARE_FRAMES;
  }

  /**
   * Copies a fragment. A block that is too long cannot be skipped, because it changes the dynamic table:
   * the connection has to end (CVE-2024-27316). @throws {Http2Error} too many octets or frames
   */
  append({ buffer, start, end }: Frame): void {
    this.#bytesLeft -= end - start;
    this.#framesLeft -= 1;
    if (this.#bytesLeft < 0 || this.#framesLeft < 0) {
      throw new FloodError("headers", "a header block has no end");
    }
    this.#parts.push(Buffer.from(buffer.subarray(start, end)));
  }

  join(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
