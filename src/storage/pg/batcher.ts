import type { Cancellation } from "../../session/call-context.ts";
import { SessionError } from "../../session/errors.ts";
import { Batch, Entry } from "./batch.ts";
import { type ClientKey, FairQueue } from "./fair-queue.ts";
import type { StatementTracer } from "./statement-tracer.ts";
import { Rejections } from "./waiter.ts";

type Signal = AbortSignal | undefined;

/** The result of an item that failed as part of its batch and is executed again by itself. */
export const RETRY_ALONE = Symbol("retry alone");

/**
 * Executes one statement for all items of a batch and resolves with one result for each, in their
 * order.
 *
 * It calls `close` at the moment when it sends the statement: until then, items can still be added
 * and cancelled. If it sends no statement, it does not call `close`. It never throws synchronously.
 */
export type Execute<Item, Result> = (
  close: () => readonly Item[],
  signal: Signal,
) => Promise<readonly (Result | typeof RETRY_ALONE)[]>;

export interface BatcherLimits {
  /** The maximum number of batches in flight. */
  readonly maxInFlight: number;
  /**
   * How long queued items wait for the batch in flight before another batch starts. Larger batches
   * cost less per item, but one slow batch must not delay all others. 0: they do not wait.
   */
  readonly maxDelayMs: number;
  /** The maximum number of items in one batch. */
  readonly maxBatch: number;
  /**
   * The maximum number of queued items. For each further one, an item of the client that has queued the
   * most is rejected with OVERLOADED.
   */
  readonly queueLimit: number;
  /** An item that has been queued for this long is rejected with OVERLOADED. */
  readonly queueTimeoutMs: number;
}

export interface BatcherOptions<Item, Result> {
  /** What the batches do, such as `find_session`. */
  readonly name: string;
  /** Called with the number of items of each statement, at the moment when it is sent. */
  readonly onBatch?: ((name: string, size: number) => void) | undefined;
  readonly limits: BatcherLimits;
  readonly execute: Execute<Item, Result>;
  /**
   * How items that failed as part of a batch are retried. Needed if `execute` returns RETRY_ALONE.
   * Without it, a failed batch fails all of its items.
   */
  readonly retryAlone?: {
    /** Executes a single item. */
    execute(item: Item, signal: Signal, clientKey: ClientKey): Promise<Result>;
    /**
     * Whether a failed batch certainly changed nothing, and a single item may have caused the
     * failure. If so, each item of the batch is retried.
     */
    isRetryable(error: unknown): boolean;
  };
  /** Items with the same key are never in the same batch. Items without a key have no such limit. */
  readonly keyOf?: (item: Item) => string | undefined;
  /** Learns which calls a batch serves. Without it, nobody asks. */
  readonly tracer?: StatementTracer | undefined;
}

/**
 * Combines concurrent calls into batches, so that one statement serves many of them. While no batch
 * is in flight, an item starts one at once; it is never delayed to make its batch larger. Queued items
 * get their places in batches in turns of the clients, so that none waits for all items of another.
 *
 * An item is added to a batch only before the batch's statement is sent. So no result comes from a
 * statement that began before the call. When a caller's signal fires, its call rejects with the
 * signal's reason at once, and the other items of the batch are not affected. The signal of the
 * batch fires when all of its callers' signals have fired.
 */
export class Batcher<Item, Result> {
  readonly rejections = new Rejections();
  readonly #options: BatcherOptions<Item, Result>;
  readonly #queue = new FairQueue<Entry<Item, Result>>();
  /** The batch to which items can still be added. */
  #openBatch: Batch<Item, Result> | undefined;
  #inFlight = 0;
  #queueTimer: NodeJS.Timeout | undefined;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** The number of items that wait for a place in a batch. */
  get queued(): number {
    return this.#queue.size;
  }

  /**
   * Resolves with the item's result.
   *
   * @param cancellation the caller's signal, or what fires together with it
   * @param clientKey whose turn the item takes if it is queued
   * @throws {SessionError} OVERLOADED if the queue is full or the item was queued for too long
   */
  add(item: Item, cancellation: Cancellation | undefined, clientKey?: ClientKey): Promise<Result> {
    if (cancellation?.aborted) return Promise.reject(cancellation.reason);
    const { limits, keyOf, tracer } = this.#options;
    const key = keyOf?.(item);
    const entry = new Entry<Item, Result>(item, key, cancellation, clientKey, this.#onAborted);
    if (tracer !== undefined) entry.call = tracer.capture();
    if (this.#openBatch?.tryAdd(entry)) {
      // It is sent with the batch.
    } else if (this.#canStart(0)) {
      this.#start(entry);
    } else if (this.#queue.size < limits.queueLimit) {
      this.#enqueue(entry);
      this.#startQueueTimer();
    } else if (this.#inFlight < limits.maxInFlight) {
      // A batch of the full queue starts first. If it is filled, this item has a place in the queue.
      this.#enqueue(entry);
      this.#start();
      this.#startQueueTimer();
    } else {
      const evicted = this.#queue.makeRoom(clientKey);
      if (evicted !== undefined) this.#enqueue(entry);
      this.rejections.full += 1;
      (evicted ?? entry).reject(new SessionError("OVERLOADED"));
    }
    return entry.result;
  }

  #enqueue(entry: Entry<Item, Result>): void {
    entry.queuedAt = performance.now();
    this.#queue.add(entry);
  }

  /** Whether a batch may start whose oldest item has been queued for this long. */
  #canStart(queuedMs: number): boolean {
    const { maxInFlight, maxDelayMs } = this.#options.limits;
    return this.#inFlight === 0 || (this.#inFlight < maxInFlight && queuedMs >= maxDelayMs);
  }

  #startQueued(): void {
    const { oldest } = this.#queue;
    if (oldest === undefined) return;
    if (this.#canStart(performance.now() - oldest.queuedAt)) this.#start();
  }

  /** Starts a batch of the one entry, or of queued ones. */
  #start(only?: Entry<Item, Result>): void {
    const batch = new Batch<Item, Result>(this.#options.limits.maxBatch);
    if (only !== undefined) batch.add(only);
    else this.#queue.take(batch.tryAdd, batch.isFull);
    this.#inFlight += 1;
    this.#openBatch = batch;
    const close = () => {
      this.#close(batch);
      const isFirst = !batch.isClosed;
      const items = batch.close();
      if (isFirst && items.length > 0) this.#options.onBatch?.(this.#options.name, items.length);
      return items;
    };
    const { execute, tracer } = this.#options;
    const executing =
      tracer === undefined
        ? execute(close, batch.signal)
        : tracer.inBatch(
            () => batch.calls,
            () => execute(close, batch.signal),
          );
    executing.then(
      (results) => {
        this.#onBatchEnd(batch);
        this.#settle(batch, results);
      },
      (error: unknown) => {
        this.#onBatchEnd(batch);
        this.#fail(batch, error);
      },
    );
  }

  #close(batch: Batch<Item, Result>): void {
    if (this.#openBatch === batch) this.#openBatch = undefined;
  }

  #onBatchEnd(batch: Batch<Item, Result>): void {
    this.#close(batch);
    this.#inFlight -= 1;
    this.#startQueued();
  }

  #settle(batch: Batch<Item, Result>, results: readonly (Result | typeof RETRY_ALONE)[]): void {
    const { entries } = batch;
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index] as Entry<Item, Result>;
      const result = results[index] as Result | typeof RETRY_ALONE;
      if (result === RETRY_ALONE) this.#retryAlone(entry);
      else entry.resolve(result);
    }
  }

  #fail(batch: Batch<Item, Result>, error: unknown): void {
    const isSingle = batch.entries.length === 1;
    const isRetryable = !isSingle && this.#options.retryAlone?.isRetryable(error);
    for (const entry of batch.entries) {
      if (isRetryable) this.#retryAlone(entry);
      else entry.reject(error);
    }
  }

  #retryAlone(entry: Entry<Item, Result>): void {
    const { retryAlone, tracer } = this.#options;
    if (entry.isSettled || retryAlone === undefined) return;
    const { signal, release } = signalOf(entry.cancellation);
    const { item, clientKey } = entry;
    const retrying =
      tracer === undefined
        ? retryAlone.execute(item, signal, clientKey)
        : tracer.inBatch(
            () => [entry.call],
            () => retryAlone.execute(item, signal, clientKey),
          );
    entry.resolve(retrying.finally(release));
  }

  readonly #onAborted = (entry: Entry<Item, Result>): void => {
    const { batch } = entry;
    if (batch === undefined) this.#queue.delete(entry);
    // Nothing may be added to an aborted batch.
    else if (batch.cancel(entry)) this.#close(batch);
  };

  /** One timer serves the whole queue. */
  #startQueueTimer(): void {
    if (this.#queueTimer !== undefined) return;
    const { oldest } = this.#queue;
    if (oldest === undefined) return;
    const { maxDelayMs, queueTimeoutMs } = this.#options.limits;
    const timeLeft = oldest.queuedAt + queueTimeoutMs - performance.now();
    const delay = maxDelayMs === 0 ? timeLeft : Math.min(timeLeft, maxDelayMs);
    this.#queueTimer = setTimeout(this.#onQueueTimer, delay).unref();
  }

  /** Rejects the items whose queue timeout has passed, and starts a batch if one may start. */
  readonly #onQueueTimer = (): void => {
    this.#queueTimer = undefined;
    const oldestAllowed = performance.now() - this.#options.limits.queueTimeoutMs;
    for (const entry of this.#queue.takeOlderThan(oldestAllowed)) {
      this.rejections.timeout += 1;
      entry.reject(new SessionError("OVERLOADED"));
    }
    this.#startQueued();
    this.#startQueueTimer();
  };
}

/** A signal that fires when the cancellation does, until it is released. */
function signalOf(cancellation: Cancellation | undefined): { signal: Signal; release(): void } {
  if (cancellation === undefined || cancellation instanceof AbortSignal) {
    return { signal: cancellation, release() {} };
  }
  const controller = new AbortController();
  const listener = { handleEvent: () => controller.abort(cancellation.reason) };
  cancellation.addEventListener("abort", listener);
  return {
    signal: controller.signal,
    release: () => cancellation.removeEventListener("abort", listener),
  };
}
