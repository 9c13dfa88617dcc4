import { stderr } from "node:process";

const INTERVAL_MS = 100;

/** Prints the progress to standard error, with one line for each phase. */
export class Progress {
  readonly #startedAt = performance.now();

  /** Runs a phase. On a terminal, the line of the phase shows the state that `work` reports. */
  async phase<T>(title: string, work: (report: (state: string) => void) => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let shownAt = 0;
    const show = (state: string): void => {
      const now = performance.now();
      if (!stderr.isTTY || now - shownAt < INTERVAL_MS) return;
      shownAt = now;
      stderr.write(`\r\u001b[K${this.#prefix()} ${title}: ${state}`);
    };
    show("…");
    let outcome = "failed";
    try {
      const result = await work(show);
      outcome = "done";
      return result;
    } finally {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      if (stderr.isTTY) stderr.write("\r\u001b[K");
      stderr.write(`${this.#prefix()} ${title}: ${outcome} in ${seconds} s\n`);
    }
  }

  note(text: string): void {
    stderr.write(`${this.#prefix()} ${text}\n`);
  }

  #prefix(): string {
    const seconds = Math.floor((performance.now() - this.#startedAt) / 1000);
    const minutes = String(Math.floor(seconds / 60)).padStart(2);
    return `[${minutes}:${String(seconds % 60).padStart(2, "0")}]`;
  }
}
