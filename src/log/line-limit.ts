/** Allows a number of lines for each key in each second. The number of keys must be bounded. */
export class LineLimit {
  readonly #linesPerSecond: number;
  readonly #lines = new Map<string, { second: number; count: number }>();

  constructor(linesPerSecond: number) {
    this.#linesPerSecond = linesPerSecond;
  }

  /** Whether one more line is allowed; `now` is in milliseconds. */
  allows(key: string, now: number): boolean {
    const second = Math.floor(now / 1000);
    const lines = this.#lines.get(key);
    if (lines === undefined || lines.second !== second) {
      this.#lines.set(key, { second, count: 1 });
      return true;
    }
    lines.count += 1;
    return lines.count <= this.#linesPerSecond;
  }
}
