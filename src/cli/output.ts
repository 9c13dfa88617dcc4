import { visibleJson } from "./table.ts";

/** Writes bytes without blocking, and calls back once when they are written or cannot be. */
export type WriteBytes = (bytes: Buffer, done: (error?: Error | null) => void) => void;

/** Nobody reads the output any more, as in `sessiond audit export | head`. */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

export interface OutputOptions {
  readonly isTerminal: boolean;
  /** The width of the terminal. `undefined`: no limit. */
  readonly columns: () => number | undefined;
  readonly hasColors: boolean;
}

/**
 * Standard output or standard error. A writer waits for its reader, so that nothing piles up in memory, and
 * also when the command is interrupted: what was written is known then.
 */
export class Output {
  readonly options: OutputOptions;
  readonly #write: WriteBytes;

  constructor(write: WriteBytes, options: OutputOptions) {
    // A terminal that does not know its width reports 0.
    this.options = { ...options, columns: () => options.columns() || undefined };
    this.#write = write;
  }

  /** @throws {OutputClosedError} if it cannot be written */
  write(text: string): Promise<void> {
    if (text === "") return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#write(Buffer.from(text), (error) => {
        if (error) reject(new OutputClosedError("standard output cannot be written"));
        else resolve();
      });
    });
  }

  /** Writes lines of JSON, so that they cannot control a terminal. @throws {OutputClosedError} as `write` does */
  writeJson(lines: string): Promise<void> {
    return this.write(this.options.isTerminal ? visibleJson(lines) : lines);
  }

  /** Writes what may get lost: progress and notes. */
  note(text: string): void {
    this.#write(Buffer.from(text), () => {});
  }
}
