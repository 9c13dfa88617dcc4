import type { Cancellation } from "../../session/call-context.ts";
import type { ClientKey, Queued } from "./fair-queue.ts";

/** An item with its promise: in the queue, then in a batch. Also the listener of its own cancellation. */
export class Entry<Item, Result> implements Queued {
  readonly item: Item;
  readonly key: string | undefined;
  readonly cancellation: Cancellation | undefined;
  readonly clientKey: ClientKey;
  readonly result: Promise<Result>;
  /** What the tracer calls it. */
  call: unknown = undefined;
  batch: Batch<Item, Result> | undefined;
  queuedAt = 0;
  isSettled = false;
  readonly #onAborted: (entry: Entry<Item, Result>) => void;
  #resolve!: (result: Result | Promise<Result>) => void;
  #reject!: (error: unknown) => void;

  constructor(
    item: Item,
    key: string | undefined,
    cancellation: Cancellation | undefined,
    clientKey: ClientKey,
    onAborted: (entry: Entry<Item, Result>) => void,
  ) {
    this.item = item;
    this.key = key;
    this.cancellation = cancellation;
    this.clientKey = clientKey;
    this.#onAborted = onAborted;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    cancellation?.addEventListener("abort", this);
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
    this.reject(this.cancellation?.reason);
    this.#onAborted(this);
  }

  #settle(): void {
    this.isSettled = true;
    this.cancellation?.removeEventListener("abort", this);
  }
}

/** The entries of one statement, and the signal that cancels it. */
export class Batch<Item, Result> {
  /** Once the batch is closed, without the entries that were cancelled before. */
  entries: Entry<Item, Result>[] = [];
  readonly #maxBatch: number;
  readonly #keys = new Set<string>();
  readonly #abort = new AbortController();
  /** The entries that are not cancelled. */
  #pendingCount = 0;
  #items: readonly Item[] | undefined;

  constructor(maxBatch: number) {
    this.#maxBatch = maxBatch;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isClosed(): boolean {
    return this.#items !== undefined;
  }

  /** The calls that it serves, once it is closed without those that were cancelled before. */
  get calls(): readonly unknown[] {
    return this.entries.map(({ call }) => call);
  }

  readonly isFull = (): boolean => this.entries.length >= this.#maxBatch;

  /** Adds the entry, unless the batch is full or has an entry with the same key. */
  readonly tryAdd = (entry: Entry<Item, Result>): boolean => {
    const { key } = entry;
    if (this.isFull() || (key !== undefined && this.#keys.has(key))) return false;
    this.add(entry);
    return true;
  };

  add(entry: Entry<Item, Result>): void {
    entry.batch = this;
    this.entries.push(entry);
    this.#pendingCount += 1;
    if (entry.key !== undefined) this.#keys.add(entry.key);
  }

  /** Returns whether this aborted the batch, because no other entry is pending. */
  cancel(entry: Entry<Item, Result>): boolean {
    this.#pendingCount -= 1;
    if (this.#pendingCount > 0) return false;
    this.#abort.abort(entry.cancellation?.reason);
    return true;
  }

  /** The items of the statement. A retry of the statement gets the same ones. */
  close(): readonly Item[] {
    if (this.#items === undefined) {
      this.entries = this.entries.filter(({ isSettled }) => !isSettled);
      this.#items = this.entries.map(({ item }) => item);
    }
    return this.#items;
  }
}
