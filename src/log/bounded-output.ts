/** Writes bytes without blocking, and calls back once when they are written or cannot be. */
export type WriteBytes = (bytes: Buffer, done: (error?: Error | null) => void) => void;

/** How much one write takes at most. */
const maxWriteBytes = 64 * 1024;

/**
 * A queue of lines before a reader that may be slow, stalled or gone. Writing never blocks and never
 * throws: if the queue is full or the write fails, lines are dropped and counted.
 *
 * Once it is full, it takes no more lines until half of it is free. So a slow reader gets a few long
 * gaps instead of many short ones.
 */
export class BoundedOutput {
  /** Called when lines can be written again after `count` were dropped. */
  onDropped: (count: number) => void = () => {};
  readonly #write: WriteBytes;
  readonly #maxBytes: number;
  #waiting: Buffer[] = [];
  #bytes = 0;
  #writing = false;
  #full = false;
  /** Those that `onDropped` was not told of yet. */
  #dropped = 0;
  #reported = 0;
  readonly #onEmpty = new Set<() => void>();

  /** @param maxBytes the most bytes that wait, those of the write in progress included */
  constructor(write: WriteBytes, maxBytes: number) {
    this.#write = write;
    this.#maxBytes = maxBytes;
  }

  /** How many lines were dropped since the start. */
  get dropped(): number {
    return this.#reported + this.#dropped;
  }

  /** Queues one line, with its line end. */
  writeLine(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#full || this.#bytes + bytes.length > this.#maxBytes) {
      // With nothing to write, as before a line that is too long by itself, nothing would reopen it.
      this.#full = this.#writing;
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    this.#writeNext();
  }

  /** Resolves when everything is written or dropped, at the latest after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#bytes === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#onEmpty.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#onEmpty.delete(resolve);
  }

  #writeNext(): void {
    if (this.#writing) return;
    const lines = this.#takeLines();
    if (lines.length === 0) {
      for (const resolve of this.#onEmpty) resolve();
      return;
    }
    const bytes = Buffer.concat(lines);
    this.#writing = true;
    this.#write(bytes, (error) => {
      this.#writing = false;
      this.#bytes -= bytes.length;
      if (error) this.#dropped += lines.length;
      if (this.#bytes <= this.#maxBytes / 2) this.#reopen(!error);
      this.#writeNext();
    });
  }

  #takeLines(): Buffer[] {
    let count = 0;
    let bytes = 0;
    for (const line of this.#waiting) {
      if (count > 0 && bytes + line.length > maxWriteBytes) break;
      count += 1;
      bytes += line.length;
    }
    return this.#waiting.splice(0, count);
  }

  #reopen(readable: boolean): void {
    this.#full = false;
    if (!readable || this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#reported += dropped;
    this.onDropped(dropped);
  }
}
