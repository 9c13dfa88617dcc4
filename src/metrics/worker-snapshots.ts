import { EMPTY, lasting, merge, type Snapshot } from "./snapshot.ts";

/** A worker that has not answered a scrape by then is left out of it. */
const ANSWER_MS = 1000;

interface Worker {
  readonly number: number;
  last: Snapshot;
  /** The last collection that it has answered. */
  answered: number;
}

export interface WorkerSnapshotsOptions {
  /** Asks all workers for their snapshots; each answers with `received`. */
  readonly ask: (collection: number, options: { readonly reset: boolean }) => void;
  /** 1000 by default. */
  readonly answerMs?: number;
}

/**
 * What all workers have counted, together. The sum of a counter never falls: of a worker that does not
 * answer, or has ended, the last known counters go on counting. What it has counted since then is lost.
 */
export class WorkerSnapshots {
  readonly #options: WorkerSnapshotsOptions;
  /** Those that serve. */
  readonly #workers = new Map<number, Worker>();
  #ended = EMPTY;
  /** One after the other, so that none of two that end together is lost. */
  #adding: Promise<void> = Promise.resolve();
  #collection = 0;
  #collecting: Promise<Snapshot> | undefined;
  #onAnswer: () => void = () => {};

  constructor(options: WorkerSnapshotsOptions) {
    this.#options = options;
  }

  /**
   * A worker serves.
   *
   * @param id of its process; the one that replaces it has another one
   * @param number of its place
   */
  serving(id: number, number: number): void {
    this.#workers.set(id, { number, last: EMPTY, answered: 0 });
  }

  /** @param collection that it answers; 0 for one that it sends because it ends */
  received(id: number, collection: number, snapshot: Snapshot): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    worker.last = snapshot;
    worker.answered = Math.max(worker.answered, collection);
    this.#onAnswer();
  }

  ended(id: number): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#workers.delete(id);
    this.#onAnswer();
    this.#adding = this.#adding.then(async () => {
      this.#ended = await merge([this.#ended, lasting(worker.last)]);
    });
  }

  /** The snapshots of all workers as one. Whoever asks meanwhile gets the same. */
  collect({ reset = false } = {}): Promise<Snapshot> {
    this.#collecting ??= this.#collect(reset).finally(() => {
      this.#collecting = undefined;
    });
    return this.#collecting;
  }

  /** By number: whether the worker has answered the last collection. */
  get up(): ReadonlyMap<number, boolean> {
    const up = [...this.#workers.values()].map(
      ({ number, answered }) => [number, answered === this.#collection] as const,
    );
    return new Map(up);
  }

  async #collect(reset: boolean): Promise<Snapshot> {
    this.#collection += 1;
    const { ask, answerMs = ANSWER_MS } = this.#options;
    const answered = Promise.withResolvers<void>();
    const timer = setTimeout(answered.resolve, answerMs);
    this.#onAnswer = () => {
      if ([...this.up.values()].every((isUp) => isUp)) answered.resolve();
    };
    ask(this.#collection, { reset });
    this.#onAnswer();
    await answered.promise;
    clearTimeout(timer);
    this.#onAnswer = () => {};
    await this.#adding;
    const snapshots = [...this.#workers.values()].map(({ last, answered }) =>
      answered === this.#collection ? last : lasting(last),
    );
    return merge([...snapshots, this.#ended]);
  }
}
