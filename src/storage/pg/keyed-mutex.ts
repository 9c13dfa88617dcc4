import { FairQueue } from "./fair-queue.ts";
import { type Caller, makeRoom, type QueueLimits, Rejections, Waiter } from "./waiter.ts";

/**
 * Lets one call run at a time for each key. The others wait in turns of the clients. When too many
 * wait for keys in all, a call of the client with the most of them is refused.
 */
export class KeyedMutex {
  /** Read anew for each call. */
  readonly #limits: QueueLimits;
  /** For each key that is in use, the calls that wait for it. */
  readonly #queues = new Map<string, FairQueue<Waiter>>();
  /** The calls of all queues. */
  readonly #waiting = new FairQueue<Waiter>();

  readonly rejections = new Rejections();

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** The number of calls that wait. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** The number of keys in use. */
  get keyCount(): number {
    return this.#queues.size;
  }

  /**
   * Resolves when the call may run. `release` must follow.
   *
   * @throws {SessionError} OVERLOADED if too many wait or the call has waited for too long; the reason
   * of the signal, as soon as it fires
   */
  async acquire(key: string, caller: Caller): Promise<void> {
    caller.signal?.throwIfAborted();
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, new FairQueue());
    else await this.#wait(queue, caller);
  }

  release(key: string): void {
    const next = this.#queues.get(key)?.shift();
    if (next === undefined) {
      this.#queues.delete(key);
    } else {
      this.#waiting.delete(next);
      next.start();
    }
  }

  #wait(queue: FairQueue<Waiter>, caller: Caller): Promise<void> {
    makeRoom(this.#waiting, this.#limits, caller, this.rejections);
    const waiter = new Waiter(caller, this.#limits, this.rejections, (gone) => {
      queue.delete(gone);
      this.#waiting.delete(gone);
    });
    queue.add(waiter);
    this.#waiting.add(waiter);
    return waiter.started;
  }
}
