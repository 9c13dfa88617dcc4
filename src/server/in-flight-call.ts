import type { ConnectError } from "@connectrpc/connect";
import { type Cancellation, CancellationSource } from "./cancellation.ts";
import { deadlineExceeded } from "./deadline.ts";
import type { InFlightCalls, TrackedCall } from "./in-flight-calls.ts";

/** How long after its deadline a call may take to send its response. */
const responseFlushMs = 5000;

/**
 * A call from its headers until its response was sent or failed. It is counted among the calls in
 * flight, and its signal fires at its deadline. The fast path and the Connect handler share it.
 */
export abstract class InFlightCall extends CancellationSource implements TrackedCall {
  readonly streaming: boolean;
  readonly #calls: InFlightCalls;
  /** Created when the signal is read: most calls need none. */
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(calls: InFlightCalls, streaming: boolean) {
    super();
    this.#calls = calls;
    this.streaming = streaming;
  }

  /** Destroys the stream or the connection of a call that has no response long after its deadline. */
  protected abstract destroy(): void;

  /** Why the call is aborted when its time is over. */
  protected timeoutReason(): ConnectError {
    return deadlineExceeded();
  }

  /** Called when the signal has fired. */
  protected onAbort(_reason: ConnectError): void {}

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }

  /** Fires together with the signal, and costs less. */
  get cancellation(): Cancellation {
    return this;
  }

  /**
   * Counts the call and starts its deadline; undefined means no deadline. The call may be aborted
   * before this returns: if the server is shutting down, or if `timeoutMs` is 0.
   *
   * @param arrivedAt when its headers arrived, by performance.now(): the deadline counts from then
   */
  protected begin(timeoutMs: number | undefined, arrivedAt: number): void {
    if (timeoutMs !== undefined) {
      const timeLeft = Math.ceil(arrivedAt + timeoutMs - performance.now());
      this.#timer = setTimeout(onDeadline, Math.max(timeLeft, 0), this);
    }
    this.#calls.add(this);
    if (timeoutMs === 0) this.deadlinePassed();
  }

  /** Fires the signal. Without effect if it has fired before. */
  abort(reason: ConnectError): void {
    if (!this.fire(reason)) return;
    this.#controller?.abort(reason);
    this.onAbort(reason);
  }

  /** The response was sent, or can no longer be sent. */
  protected end(): void {
    clearTimeout(this.#timer);
    this.#calls.delete(this);
  }

  deadlinePassed(): void {
    this.#calls.soon(this, () => this.#endInTime());
  }

  #endInTime(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#calls.soon(this, () => this.destroy());
    }, responseFlushMs);
    this.abort(this.timeoutReason());
  }
}

function onDeadline(call: InFlightCall): void {
  call.deadlinePassed();
}
