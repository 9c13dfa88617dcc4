import type { Writable } from "node:stream";

/**
 * A client that does not read keeps the whole arena of its last write. So it is large enough for some
 * hundred short answers, and small enough for thousands of such clients.
 */
export const ARENA_BYTES = 64 * 1024;

/**
 * Memory for what all connections send. The answers of one turn of the event loop are written one after
 * the other into the same buffer, and leave as slices of it. Nothing is written twice to the same place,
 * because the octets of a slice are the socket's.
 */
export class Arena {
  buffer: Buffer = Buffer.allocUnsafeSlow(ARENA_BYTES);
  /** Where the next octet goes. */
  at = 0;
  #start = 0;
  /** Octets since `begin` that are not in this buffer. */
  #passed = 0;
  #socket: Writable | undefined = undefined;

  /** What follows is for this socket. */
  begin(socket: Writable): void {
    this.#socket = socket;
    this.#start = this.at;
    this.#passed = 0;
  }

  /** Octets since `begin`. */
  get length(): number {
    return this.#passed + this.at - this.#start;
  }

  /** Makes room for so many octets at `at`. The buffer may be another one afterwards. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    if (this.at > this.#start) {
      if (this.#passed === 0) this.#socket?.cork();
      this.#pass();
    }
    this.buffer = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, bytes));
    this.at = 0;
    this.#start = 0;
  }

  /** Writes what has come since `begin`, with one system call. Returns its octets. */
  end(): number {
    const { length } = this;
    const isCorked = this.#passed > 0;
    if (this.at > this.#start) this.#pass();
    if (isCorked) this.#socket?.uncork();
    return length;
  }

  #pass(): void {
    const slice = this.buffer.subarray(this.#start, this.at);
    this.#passed += slice.length;
    this.#start = this.at;
    this.#socket?.write(slice);
  }
}
