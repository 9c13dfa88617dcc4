import type { ConnectError } from "@connectrpc/connect";
import type { Call, Calls } from "./calls.ts";
import { deadlineExceeded } from "./deadline.ts";

/** How long after its deadline a unary call may take to get its response to the client. */
const responseFlushMs = 5000;

export interface ActiveCallOptions {
  readonly calls: Calls;
  readonly streaming: boolean;
  /** Undefined: without a deadline, as streams may be. */
  readonly timeoutMs: number | undefined;
  /** Ends the connection or the stream of a call that has not answered long after its deadline. */
  readonly destroy: () => void;
  /** Told of the abort after the signal has fired. */
  readonly onAbort?: (reason: ConnectError) => void;
}

/**
 * A call from its headers until its response has left or failed: it is among the calls in flight,
 * and its signal fires at its deadline. Both ways of serving a request share it.
 */
export class ActiveCall implements Call {
  readonly #options: ActiveCallOptions;
  /** Made when somebody asks for the signal or it fires, for most calls cost more than they use. */
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ActiveCallOptions) {
    this.#options = options;
  }

  /**
   * Starts the clock. The call may be aborted before this returns: by a server that is
   * shutting down, or where no time was given.
   */
  begin(): void {
    const { calls, timeoutMs, streaming } = this.#options;
    if (timeoutMs !== undefined && !streaming) {
      this.#timer = setTimeout(() => this.#onDeadline(), timeoutMs);
    }
    calls.add(this);
    if (timeoutMs === 0) this.#onDeadline();
  }

  get streaming(): boolean {
    return this.#options.streaming;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#controller?.signal.aborted === true;
  }

  /** Makes the signal fire, if it has not yet. */
  abort(reason: ConnectError): void {
    if (this.aborted) return;
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
    this.#options.onAbort?.(reason);
  }

  /** The response has left, or nobody will see it any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#options.calls.delete(this);
  }

  #onDeadline(): void {
    this.#timer = setTimeout(this.#options.destroy, responseFlushMs);
    this.abort(deadlineExceeded());
  }
}
