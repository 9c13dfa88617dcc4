/** What has been started, to be stopped in the reverse order, also when a later start fails. */
export class Closeables {
  readonly #stack: (() => Promise<unknown>)[] = [];

  add(close: () => Promise<unknown>): void {
    this.#stack.push(close);
  }

  /** Stops everything, whatever fails on the way; then throws what failed first. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#stack.pop(); close !== undefined; close = this.#stack.pop()) {
      await close().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
