import type { Arena } from "./arena.ts";
import { FRAME_HEAD_BYTES, type FrameType, writeFrameHead } from "./frames.ts";

const FIRST_BYTES = 64;

/**
 * Frames about the connection and its streams that wait to be sent. How many can wait is bounded by the
 * limits of what makes the server send them.
 */
export class ControlFrames {
  #buffer: Buffer | undefined = undefined;
  length = 0;

  /** @param payload integers of 32 bits */
  add(type: FrameType, flags: number, streamId: number, ...payload: number[]): void {
    const length = 4 * payload.length;
    const start = this.#grow(FRAME_HEAD_BYTES + length);
    const buffer = this.#buffer as Buffer;
    let at = writeFrameHead(buffer, start, length, type, flags, streamId);
    for (const value of payload) at = buffer.writeUInt32BE(value, at);
  }

  addWhole(frame: Buffer): void {
    const start = this.#grow(frame.length);
    frame.copy(this.#buffer as Buffer, start);
  }

  /** Moves all of them to the arena. */
  moveTo(arena: Arena): void {
    if (this.#buffer === undefined) return;
    arena.reserve(this.length);
    arena.at += this.#buffer.copy(arena.buffer, arena.at, 0, this.length);
    this.#buffer = undefined;
    this.length = 0;
  }

  /** Returns where the new octets begin. */
  #grow(bytes: number): number {
    const start = this.length;
    this.length += bytes;
    const old = this.#buffer;
    if (old !== undefined && old.length >= this.length) return start;
    this.#buffer = Buffer.allocUnsafe(Math.max(FIRST_BYTES, 2 * this.length));
    old?.copy(this.#buffer, 0, 0, start);
    return start;
  }
}
