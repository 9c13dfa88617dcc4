/** Counts what is taken, and forgets it at a constant rate. */
export class Bucket {
  readonly #capacity: number;
  readonly #perSecond: number;
  #taken = 0;
  #at: number;

  /**
   * @param capacity how many may be taken at once
   * @param perSecond how many are forgotten
   * @param now in milliseconds, of a clock that never goes back
   */
  constructor(capacity: number, perSecond: number, now: number) {
    this.#capacity = capacity;
    this.#perSecond = perSecond;
    this.#at = now;
  }

  /** Takes one; false if there is none left. */
  take(now: number): boolean {
    this.#taken = Math.max(0, this.#taken - ((now - this.#at) * this.#perSecond) / 1000);
    this.#at = now;
    if (this.#taken + 1 > this.#capacity) return false;
    this.#taken += 1;
    return true;
  }
}
