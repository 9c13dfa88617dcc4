/** A listener of a cancellation, as of an AbortSignal. */
export interface CancellationListener {
  handleEvent(): void;
}

/**
 * What most need of an AbortSignal, which is one: whether and why a call is cancelled, and to be told.
 * That of a call costs nothing until somebody listens, and then next to nothing.
 */
export interface Cancellation {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: CancellationListener): void;
  removeEventListener(type: "abort", listener: CancellationListener): void;
}

/** A cancellation that its owner fires, at most once. */
export class CancellationSource implements Cancellation {
  #reason: unknown;
  #aborted = false;
  /** Mostly there is one, and then no set. */
  #listener: CancellationListener | undefined;
  #others: Set<CancellationListener> | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  addEventListener(_type: "abort", listener: CancellationListener): void {
    // It will not fire again.
    if (this.#aborted) return;
    if (this.#listener === undefined && this.#others?.has(listener) !== true) {
      this.#listener = listener;
    } else if (this.#listener !== listener) {
      this.#others ??= new Set();
      this.#others.add(listener);
    }
  }

  removeEventListener(_type: "abort", listener: CancellationListener): void {
    if (this.#listener === listener) this.#listener = undefined;
    else this.#others?.delete(listener);
  }

  /** Returns false, without effect, if it has fired before. */
  fire(reason: unknown): boolean {
    if (this.#aborted) return false;
    this.#aborted = true;
    this.#reason = reason;
    const first = this.#listener;
    this.#listener = undefined;
    first?.handleEvent();
    // The set itself, so that a listener which another one removes is not called.
    for (const other of this.#others ?? []) other.handleEvent();
    this.#others = undefined;
    return true;
  }
}
