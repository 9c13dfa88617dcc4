import { Code, ConnectError } from "@connectrpc/connect";

/**
 * The body of an HTTP/2 request, for one reader. What is not read yet is kept: at most what the client
 * may send before the reader has consumed it.
 */
export class RequestBody {
  readonly #consume: (bytes: number) => void;
  readonly #parts: Uint8Array[] = [];
  #ended = false;
  #closed = false;
  /** Resolves when something has changed for a reader that waits. */
  #change: PromiseWithResolvers<void> | undefined;

  /** @param consume lets the client send so many bytes more */
  constructor(consume: (bytes: number) => void) {
    this.#consume = consume;
  }

  /** @param last there is no more */
  add(part: Uint8Array, last: boolean): void {
    if (part.length > 0) this.#parts.push(part);
    if (last) this.#ended = true;
    this.#change?.resolve();
  }

  /** The client has gone, or its stream was reset. */
  close(): void {
    this.#closed = true;
    this.#change?.resolve();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const part = this.#parts.shift();
      if (part !== undefined) {
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
