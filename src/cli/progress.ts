import type { Output } from "./output.ts";

/** How often a line is written where it cannot be replaced. */
const LINE_MS = 10_000;
/** How often the line on a terminal changes. */
const TERMINAL_MS = 100;
const CLEAR_LINE = "\r\u001b[K";

export interface ProgressOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Writes nothing. */
  readonly quiet: boolean;
}

/**
 * Tells on standard error how far long work is: on a terminal by one line that is replaced, elsewhere by a
 * line every 10 s.
 */
export class Progress implements Disposable {
  readonly #output: Pick<Output, "note" | "options">;
  readonly #options: ProgressOptions;
  #writtenAt: number;
  #isShown = false;

  constructor(output: Pick<Output, "note" | "options">, options: ProgressOptions) {
    this.#output = output;
    this.#options = options;
    // Work that is done at once has no progress elsewhere than on a terminal.
    this.#writtenAt = output.options.isTerminal ? Number.NEGATIVE_INFINITY : options.clock();
  }

  /** @param text how far the work is, without a line end */
  update(text: string): void {
    const { clock, quiet } = this.#options;
    const { isTerminal, columns } = this.#output.options;
    const now = clock();
    if (quiet || now - this.#writtenAt < (isTerminal ? TERMINAL_MS : LINE_MS)) return;
    this.#writtenAt = now;
    // A line that wraps could not be replaced.
    const width = (columns() ?? 80) - 1;
    this.#output.note(isTerminal ? `${CLEAR_LINE}${text.slice(0, width)}` : `${text}\n`);
    this.#isShown = isTerminal;
  }

  /** Takes the line away that is replaced, so that others can be written. */
  clear(): void {
    if (this.#isShown) this.#output.note(CLEAR_LINE);
    this.#isShown = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
