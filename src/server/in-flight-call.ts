import type { ConnectError } from "@connectrpc/connect";
import { deadlineExceeded } from "./deadline.ts";
import type { InFlightCalls, TrackedCall } from "./in-flight-calls.ts";

/** How long after its deadline a unary call may take to get its response to the client. */
const responseFlushMs = 5000;

/**
 * A call from its headers until its response has left or failed: it is among the calls in flight,
 * and its signal fires at its deadline. Both ways of serving a request share it.
 */
export abstract class InFlightCall implements TrackedCall {
  readonly streaming: boolean;
  readonly #calls: InFlightCalls;
  /** Made when somebody asks for the signal or it fires, because most calls do neither. */
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(calls: InFlightCalls, streaming: boolean) {
    this.#calls = calls;
    this.streaming = streaming;
  }

  /** Ends the stream or the connection of a call that has not answered long after its deadline. */
  protected abstract destroy(): void;

  /** Called when the signal has fired. */
  protected onAbort(_reason: ConnectError): void {}

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /**
   * Starts the clock; undefined: without a deadline. The call may be aborted before this returns:
   * by a server that is shutting down, or where no time was given.
   */
  protected begin(timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(onDeadline, timeoutMs, this);
    }
    this.#calls.add(this);
    if (timeoutMs === 0) this.deadlinePassed();
  }

  /** Makes the signal fire, if it has not yet. */
  abort(reason: ConnectError): void {
    if (this.#controller?.signal.aborted === true) return;
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
    this.onAbort(reason);
  }

  /** The response has left, or nobody will see it any more. */
  protected end(): void {
    clearTimeout(this.#timer);
    this.#calls.delete(this);
  }

  deadlinePassed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), responseFlushMs);
    this.abort(deadlineExceeded());
  }
}

function onDeadline(call: InFlightCall): void {
  call.deadlinePassed();
}
