import { SessionError } from "../../session/errors.ts";

type Signal = AbortSignal | undefined;

/** In an item's place among the results: it could not be served with the others, but may alone. */
export const RETRY_ALONE = Symbol("alone");

/**
 * Runs one statement for all items of a batch and resolves with a result for each, in their
 * order. It calls `close` in the very moment in which the statement is sent, and not at all if none
 * is: until then items may join and leave. Never throws before it returns its promise.
 */
export type Execute<Item, Result> = (
  close: () => readonly Item[],
  signal: Signal,
) => Promise<readonly (Result | typeof RETRY_ALONE)[]>;

export interface BatcherLimits {
  /** Batches that may be under way at a time. */
  readonly maxInFlight: number;
  /**
   * How long those that wait do so for what is under way before another batch is started for them:
   * larger batches cost less, but a slow one must not hold up all. 0: not at all.
   */
  readonly maxDelayMs: number;
  readonly maxBatch: number;
  /** Members that may wait for a batch; one more is refused with OVERLOADED. */
  readonly queueLimit: number;
  /** An item that has waited this long is refused with OVERLOADED. */
  readonly queueTimeoutMs: number;
}

export interface BatcherOptions<Item, Result> {
  readonly limits: BatcherLimits;
  readonly execute: Execute<Item, Result>;
  readonly alone?: {
    /** Serves an item that could not be served with the others. */
    serve(item: Item, signal: Signal): Promise<Result>;
    /**
     * Whether a batch's failure may be one item's fault and certainly changed nothing: then all
     * its items are served alone.
     */
    isolates(error: unknown): boolean;
  };
  /** Members of one key never share a batch; those without one always may. */
  readonly keyOf?: (item: Item) => string | undefined;
}

/**
 * Collects calls that come while others are under way, so that one statement serves them all. The
 * first one goes at once; nobody ever waits for company.
 *
 * An item joins a batch only before its statement has been sent: no answer comes from a statement
 * that began before the call did. A caller that goes is told its signal's reason at once and leaves
 * the others unharmed; when all of a batch have gone, its own signal fires.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  /** A set, since callers leave from anywhere in the queue. Empty if no batch is under way. */
  readonly #queue = new Set<Entry<Item, Result>>();
  /** The batch that may still be joined. */
  #open: Batch<Item, Result> | undefined;
  #inFlight = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  add(item: Item, signal: Signal): Promise<Result> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { limits, keyOf } = this.#options;
    const entry = new Entry<Item, Result>(item, keyOf?.(item), signal, this.#onGone);
    if (this.#open?.accepts(entry)) {
      this.#open.join(entry);
    } else if (this.#mayStart(0)) {
      this.#start([entry]);
    } else if (this.#queue.size < limits.queueLimit) {
      entry.queuedAt = performance.now();
      this.#queue.add(entry);
      this.#watch();
    } else if (this.#inFlight < limits.maxInFlight) {
      // Those who have waited go first, and leave room in the queue for this one if they fill a batch.
      entry.queuedAt = performance.now();
      this.#queue.add(entry);
      this.#start(this.#queue);
      this.#watch();
    } else {
      entry.reject(new SessionError("OVERLOADED"));
    }
    return entry.outcome;
  }

  /** Whether somebody who has waited that long may have a batch of their own. */
  #mayStart(waitedMs: number): boolean {
    const { maxInFlight, maxDelayMs } = this.#options.limits;
    return this.#inFlight === 0 || (this.#inFlight < maxInFlight && waitedMs >= maxDelayMs);
  }

  #startQueued(): void {
    const [oldest] = this.#queue;
    if (oldest === undefined) return;
    if (this.#mayStart(performance.now() - oldest.queuedAt)) this.#start(this.#queue);
  }

  #start(entries: Iterable<Entry<Item, Result>>): void {
    const batch = new Batch<Item, Result>(this.#options.limits.maxBatch);
    for (const entry of entries) {
      if (batch.isFull) break;
      if (!batch.accepts(entry)) continue;
      this.#queue.delete(entry);
      batch.join(entry);
    }
    this.#inFlight += 1;
    this.#open = batch;
    const close = () => {
      this.#close(batch);
      return batch.close();
    };
    this.#options.execute(close, batch.signal).then(
      (results) => {
        this.#next(batch);
        this.#deliver(batch, results);
      },
      (error: unknown) => {
        this.#next(batch);
        this.#fail(batch, error);
      },
    );
  }

  #close(batch: Batch<Item, Result>): void {
    if (this.#open === batch) this.#open = undefined;
  }

  #next(ended: Batch<Item, Result>): void {
    this.#close(ended);
    this.#inFlight -= 1;
    this.#startQueued();
  }

  #deliver(batch: Batch<Item, Result>, results: readonly (Result | typeof RETRY_ALONE)[]): void {
    for (const [index, entry] of batch.entries.entries()) {
      const result = results[index] as Result | typeof RETRY_ALONE;
      if (result === RETRY_ALONE) this.#serveAlone(entry);
      else entry.resolve(result);
    }
  }

  #fail(batch: Batch<Item, Result>, error: unknown): void {
    const isAlone = batch.entries.length === 1;
    const isolates = !isAlone && this.#options.alone?.isolates(error);
    for (const entry of batch.entries) {
      if (isolates) this.#serveAlone(entry);
      else entry.reject(error);
    }
  }

  #serveAlone(entry: Entry<Item, Result>): void {
    const { alone } = this.#options;
    if (entry.isSettled || alone === undefined) return;
    entry.resolve(alone.serve(entry.item, entry.signal));
  }

  readonly #onGone = (entry: Entry<Item, Result>): void => {
    const { batch } = entry;
    if (batch === undefined) this.#queue.delete(entry);
    // Nobody may join a batch that has been given up.
    else if (batch.leave(entry)) this.#close(batch);
  };

  /** One timer for all, while there is a queue. */
  #watch(): void {
    const [oldest] = this.#queue;
    if (this.#timer !== undefined || oldest === undefined) return;
    const { maxDelayMs, queueTimeoutMs } = this.#options.limits;
    const left = oldest.queuedAt + queueTimeoutMs - performance.now();
    const delay = maxDelayMs === 0 ? left : Math.min(left, maxDelayMs);
    this.#timer = setTimeout(this.#review, delay).unref();
  }

  /** The queue is in the order in which its items came. */
  readonly #review = (): void => {
    this.#timer = undefined;
    const tooEarly = performance.now() - this.#options.limits.queueTimeoutMs;
    for (const entry of this.#queue) {
      if (entry.queuedAt > tooEarly) break;
      this.#queue.delete(entry);
      entry.reject(new SessionError("OVERLOADED"));
    }
    this.#startQueued();
    this.#watch();
  };
}

/** An item's place: in the queue, then in a batch. It is also the listener of its own signal. */
class Entry<Item, Result> {
  readonly item: Item;
  readonly key: string | undefined;
  readonly signal: Signal;
  readonly outcome: Promise<Result>;
  batch: Batch<Item, Result> | undefined;
  queuedAt = 0;
  isSettled = false;
  readonly #onGone: (entry: Entry<Item, Result>) => void;
  #resolve!: (result: Result | Promise<Result>) => void;
  #reject!: (error: unknown) => void;

  constructor(
    item: Item,
    key: string | undefined,
    signal: Signal,
    onGone: (entry: Entry<Item, Result>) => void,
  ) {
    this.item = item;
    this.key = key;
    this.signal = signal;
    this.#onGone = onGone;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal?.addEventListener("abort", this);
  }

  resolve(result: Result | Promise<Result>): void {
    this.#settle();
    this.#resolve(result);
  }

  reject(error: unknown): void {
    this.#settle();
    this.#reject(error);
  }

  handleEvent(): void {
    this.reject(this.signal?.reason);
    this.#onGone(this);
  }

  #settle(): void {
    this.isSettled = true;
    this.signal?.removeEventListener("abort", this);
  }
}

class Batch<Item, Result> {
  /** Those that have gone before the statement was sent are not among them any more. */
  entries: Entry<Item, Result>[] = [];
  readonly #maxBatch: number;
  readonly #keys = new Set<string>();
  readonly #abort = new AbortController();
  #present = 0;
  #items: readonly Item[] | undefined;

  constructor(maxBatch: number) {
    this.#maxBatch = maxBatch;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isFull(): boolean {
    return this.entries.length >= this.#maxBatch;
  }

  accepts({ key }: Entry<Item, Result>): boolean {
    return !this.isFull && (key === undefined || !this.#keys.has(key));
  }

  join(entry: Entry<Item, Result>): void {
    entry.batch = this;
    this.entries.push(entry);
    this.#present += 1;
    if (entry.key !== undefined) this.#keys.add(entry.key);
  }

  /** Returns whether that was the last one. */
  leave(entry: Entry<Item, Result>): boolean {
    this.#present -= 1;
    if (this.#present > 0) return false;
    this.#abort.abort(entry.signal?.reason);
    return true;
  }

  /** The items of the statement; the same ones when it has to be sent again. */
  close(): readonly Item[] {
    if (this.#items === undefined) {
      this.entries = this.entries.filter(({ isSettled }) => !isSettled);
      this.#items = this.entries.map(({ item }) => item);
    }
    return this.#items;
  }
}
