import { Code, ConnectError } from "@connectrpc/connect";

const NOTHING = Buffer.alloc(0);

/**
 * The body of an HTTP/2 request, for one reader. What is not read yet is kept: at most what the client
 * may send before the reader has consumed it. It is kept in one buffer, so that a client that sends a byte
 * in each frame does not cost an object for each.
 */
export class RequestBody {
  readonly #consume: (bytes: number) => void;
  /** What is not read yet, and room for more. */
  #buffer = NOTHING;
  #length = 0;
  #ended = false;
  #closed = false;
  /** Resolves when something has changed for a reader that waits. */
  #change: PromiseWithResolvers<void> | undefined;

  /** @param consume lets the client send so many bytes more */
  constructor(consume: (bytes: number) => void) {
    this.#consume = consume;
  }

  /**
   * Adds a copy of the bytes from `start` to `end`.
   *
   * @param last there is no more
   */
  add(part: Uint8Array, start: number, end: number, last: boolean): void {
    const length = this.#length + end - start;
    if (length > this.#buffer.length) this.#reserve(length);
    this.#buffer.set(part.subarray(start, end), this.#length);
    this.#length = length;
    if (last) this.#ended = true;
    this.#change?.resolve();
  }

  /** The first part, which is mostly the only one, gets as much room as it needs. */
  #reserve(bytes: number): void {
    const larger = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  /** The client has gone, or its stream was reset. */
  close(): void {
    this.#closed = true;
    this.#change?.resolve();
  }

  /** Yields what has come since the last time, in one part. */
  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#length > 0) {
        const part = this.#buffer.subarray(0, this.#length);
        this.#buffer = NOTHING;
        this.#length = 0;
        this.#consume(part.length);
        yield part;
      } else if (this.#ended) {
        return;
      } else if (this.#closed) {
        throw new ConnectError("the client has gone away", Code.Canceled);
      } else {
        this.#change = Promise.withResolvers();
        await this.#change.promise;
      }
    }
  }
}
