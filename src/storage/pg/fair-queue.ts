/** Whose turn an entry takes. Entries with the same key, or without one, share their turns. */
export type ClientKey = string | symbol | undefined;

export interface Queued {
  readonly clientKey: ClientKey;
  /** When it was added, by `performance.now()`. */
  readonly queuedAt: number;
}

/** The entries of one client, oldest first. A set, since any of them can be deleted. */
type Lane<Entry> = Set<Entry>;

/**
 * A queue that clients take turns in. Among the entries of one client it is first in, first out. So a
 * client with few entries does not wait for all those of a client with many.
 */
export class FairQueue<Entry extends Queued> {
  /** The client whose turn is next comes first. There are no empty lanes. */
  readonly #lanes = new Map<ClientKey, Lane<Entry>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The entry that has been queued for longest. */
  get oldest(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const lane of this.#lanes.values()) {
      const [first] = lane;
      if (first !== undefined && (oldest === undefined || first.queuedAt < oldest.queuedAt)) {
        oldest = first;
      }
    }
    return oldest;
  }

  add(entry: Entry): void {
    const lane = this.#lanes.get(entry.clientKey);
    if (lane === undefined) this.#lanes.set(entry.clientKey, new Set([entry]));
    else lane.add(entry);
    this.#size += 1;
  }

  /** Returns whether the entry was in the queue. */
  delete(entry: Entry): boolean {
    const lane = this.#lanes.get(entry.clientKey);
    if (lane === undefined || !lane.delete(entry)) return false;
    if (lane.size === 0) this.#lanes.delete(entry.clientKey);
    this.#size -= 1;
    return true;
  }

  /** Removes and returns the oldest entry of the client whose turn it is. */
  shift(): Entry | undefined {
    for (const [key, lane] of this.#lanes) {
      const [next] = lane as Iterable<Entry> as [Entry];
      this.delete(next);
      if (this.#lanes.delete(key)) this.#lanes.set(key, lane);
      return next;
    }
    return undefined;
  }

  /**
   * Offers entries to `accept`, in turns of the clients and each client's oldest first, and removes
   * those for which it returns true, until `isFull` returns true. The next call goes on with the
   * client whose turn it is then.
   */
  take(accept: (entry: Entry) => boolean, isFull: () => boolean): void {
    if (this.#lanes.size === 1) {
      const [lane = new Set<Entry>()] = this.#lanes.values();
      for (const entry of lane) {
        if (isFull()) return;
        if (accept(entry)) this.delete(entry);
      }
      return;
    }
    // Where each client's turn goes on: what was not accepted is not offered again.
    const positions = new Map<ClientKey, Iterator<Entry, undefined>>();
    for (const [key, lane] of this.#lanes) {
      if (isFull()) return;
      const position = positions.get(key) ?? lane.values();
      positions.set(key, position);
      for (let next = position.next(); next.value !== undefined; next = position.next()) {
        if (!accept(next.value)) continue;
        this.delete(next.value);
        // To the end of the map, where this loop comes to it again.
        if (this.#lanes.delete(key)) this.#lanes.set(key, lane);
        break;
      }
    }
  }

  /** Removes and returns the entries that were added at `time` or before. */
  takeOlderThan(time: number): readonly Entry[] {
    const taken: Entry[] = [];
    for (const lane of this.#lanes.values()) {
      for (const entry of lane) {
        if (entry.queuedAt > time) break;
        taken.push(entry);
        this.delete(entry);
      }
    }
    return taken;
  }

  /**
   * Makes room in a full queue for an entry of this client: removes and returns the newest entry of the
   * client that has the most. Undefined, with nothing removed, if that is the client itself.
   */
  makeRoom(clientKey: ClientKey): Entry | undefined {
    let longest: Lane<Entry> | undefined;
    for (const lane of this.#lanes.values()) {
      if (longest === undefined || lane.size > longest.size) longest = lane;
    }
    const own = this.#lanes.get(clientKey)?.size ?? 0;
    if (longest === undefined || longest.size <= own + 1) return undefined;
    const newest = [...longest].at(-1) as Entry;
    this.delete(newest);
    return newest;
  }
}
