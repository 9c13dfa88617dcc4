import { SessionError } from "../../session/errors.ts";
import type { ClientKey, FairQueue, Queued } from "./fair-queue.ts";

type Signal = AbortSignal | undefined;

/** Who makes a call: a part of CallContext. */
export interface Caller {
  readonly signal: Signal;
  /** Whose turn the call takes if it has to wait. */
  readonly clientKey?: ClientKey;
}

export interface QueueLimits {
  /**
   * The maximum number of calls that wait. For each further one, a call of the client that has the most
   * of them fails with OVERLOADED.
   */
  readonly queueLimit: number;
  /** A call that has waited for this long fails with OVERLOADED. */
  readonly queueTimeoutMs: number;
}

/** How many calls a queue has refused since the start, by cause. */
export class Rejections {
  full = 0;
  timeout = 0;
}

/** A call that waits for its turn. Also the listener of its own signal. */
export class Waiter implements Queued {
  readonly clientKey: ClientKey;
  readonly queuedAt = performance.now();
  /**
   * Resolves when `start` is called.
   *
   * @throws {SessionError} OVERLOADED if it is refused; the reason of the signal, as soon as it fires
   */
  readonly started: Promise<void>;
  readonly #signal: Signal;
  readonly #timer: NodeJS.Timeout;
  readonly #rejections: Rejections;
  readonly #leave: (waiter: Waiter) => void;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  /** @param leave removes it from its queues; called before it is refused or has gone */
  constructor(
    { signal, clientKey }: Caller,
    { queueTimeoutMs }: QueueLimits,
    rejections: Rejections,
    leave: (waiter: Waiter) => void,
  ) {
    this.clientKey = clientKey;
    this.#signal = signal;
    this.#rejections = rejections;
    this.#leave = leave;
    this.started = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody waits for the answer any more if only this timer keeps the process alive.
    this.#timer = setTimeout(() => this.refuse("timeout"), queueTimeoutMs).unref();
    signal?.addEventListener("abort", this);
  }

  start(): void {
    this.#settle();
    this.#resolve();
  }

  refuse(cause: keyof Rejections): void {
    this.#rejections[cause] += 1;
    this.#end(new SessionError("OVERLOADED"));
  }

  handleEvent(): void {
    this.#end(this.#signal?.reason);
  }

  #end(error: unknown): void {
    this.#leave(this);
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this);
  }
}

/**
 * If the queue is full, refuses a call of the client that has the most in it, for the caller to take
 * its place.
 *
 * @throws {SessionError} OVERLOADED if that client is the caller's own
 */
export function makeRoom(
  queue: FairQueue<Waiter>,
  { queueLimit }: QueueLimits,
  { clientKey }: Caller,
  rejections: Rejections,
): void {
  if (queue.size < queueLimit) return;
  const evicted = queue.makeRoom(clientKey);
  if (evicted !== undefined) {
    evicted.refuse("full");
    return;
  }
  rejections.full += 1;
  throw new SessionError("OVERLOADED");
}
