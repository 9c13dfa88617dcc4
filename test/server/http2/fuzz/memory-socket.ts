import { Duplex } from "node:stream";

/** A socket in memory: what the server writes goes to `onOutput` once the client reads it. */
export class MemorySocket extends Duplex {
  readonly #onOutput: (bytes: Buffer) => void;
  #reads = true;
  #inputEnded = false;
  #unread: { readonly chunk: Buffer; readonly done: () => void } | undefined;

  constructor(onOutput: (bytes: Buffer) => void) {
    super({ highWaterMark: 16 * 1024 });
    this.#onOutput = onOutput;
  }

  /** Whether the client reads. What it has not read must stay as it was written. */
  set reads(reads: boolean) {
    this.#reads = reads;
    const unread = this.#unread;
    if (!reads || unread === undefined) return;
    this.#unread = undefined;
    this.#onOutput(unread.chunk);
    unread.done();
  }

  /** The client sends bytes. */
  receive(bytes: Buffer): void {
    if (!this.destroyed && !this.#inputEnded) this.push(bytes);
  }

  /** The client ends its side. */
  endInput(): void {
    if (!this.destroyed && !this.#inputEnded) this.push(null);
    this.#inputEnded = true;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    if (this.#reads) {
      this.#onOutput(chunk);
      done();
    } else this.#unread = { chunk, done };
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#unread = undefined;
    done(error);
  }
}
