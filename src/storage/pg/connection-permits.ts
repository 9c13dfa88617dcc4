import { type ClientKey, FairQueue } from "./fair-queue.ts";
import { type Caller, makeRoom, type QueueLimits, Rejections, Waiter } from "./waiter.ts";

/**
 * The kinds of work that cannot take all connections from each other:
 * - reads: what calls such as Validate and Get wait for
 * - writes: short changes, which wait only briefly for a lock
 * - retries: changes that a batch has skipped, since their row was locked, and that wait only briefly
 * - lock_waits: changes that wait for a lock of another transaction
 * - management: lists, and the deletions of the sweep
 */
const BULKHEADS = ["reads", "writes", "retries", "lock_waits", "management"] as const;

export type Bulkhead = (typeof BULKHEADS)[number];

/** The client key of batches: their statements serve many clients. */
export const BATCHES = Symbol("batches");

/** What a connection is for. */
export interface ConnectionUse {
  readonly bulkhead: Bulkhead;
  /** Whose turn the call takes if it has to wait for a connection. */
  readonly clientKey?: ClientKey;
}

/** A use among the management. */
export function management({ clientKey }: Pick<Caller, "clientKey">): ConnectionUse {
  return { bulkhead: "management", clientKey };
}

/** The limits of each bulkhead's queue, and: */
export interface PermitLimits extends QueueLimits {
  /** The maximum number of permits, one for each connection of the pool. */
  readonly poolSize: number;
}

/**
 * The connections that writes leave to reads, and those that all others leave to writes as well. Reads
 * may use all: they wait for nothing but the server, and their batchers send few statements at once.
 */
function reserved(poolSize: number): { readonly forReads: number; readonly forWrites: number } {
  const forReads = poolSize >= 8 ? 2 : 1;
  return { forReads: poolSize >= 2 ? forReads : 0, forWrites: poolSize >= 3 ? 1 : 0 };
}

/**
 * Decides which call gets the next connection: at most as many as the pool has, in turns of the
 * bulkheads that may take one, and within a bulkhead in turns of the clients. When the queue of a
 * bulkhead is full, a call of the client with the most calls in it is rejected.
 */
export class ConnectionPermits {
  /** Read anew for each call. */
  readonly #limits: PermitLimits;
  readonly #queues: Readonly<Record<Bulkhead, FairQueue<Waiter>>>;
  readonly #inUse: Record<Bulkhead, number> = {
    reads: 0,
    writes: 0,
    retries: 0,
    lock_waits: 0,
    management: 0,
  };
  readonly rejections: Readonly<Record<Bulkhead, Rejections>> = {
    reads: new Rejections(),
    writes: new Rejections(),
    retries: new Rejections(),
    lock_waits: new Rejections(),
    management: new Rejections(),
  };
  readonly #maxInUse: Readonly<Record<Bulkhead, number>>;
  /** The maximum number of connections for all that are not reads. */
  readonly #maxNonReads: number;
  /** The maximum number of connections for retries, lock_waits and management together. */
  readonly #maxSlow: number;
  /** The index of the bulkhead whose turn is next. */
  #turn = 0;

  constructor(limits: PermitLimits) {
    const { poolSize } = limits;
    const { forReads, forWrites } = reserved(poolSize);
    const share = Math.max(1, Math.floor(poolSize / 5));
    this.#limits = limits;
    this.#queues = {
      reads: new FairQueue(),
      writes: new FairQueue(),
      retries: new FairQueue(),
      lock_waits: new FairQueue(),
      management: new FairQueue(),
    };
    this.#maxInUse = {
      reads: poolSize,
      writes: poolSize,
      retries: share,
      lock_waits: share,
      management: share,
    };
    this.#maxNonReads = poolSize - forReads;
    this.#maxSlow = Math.max(1, poolSize - forReads - forWrites);
  }

  /** The number of calls that wait. */
  get waitingCount(): number {
    return BULKHEADS.reduce((sum, bulkhead) => sum + this.#queues[bulkhead].size, 0);
  }

  /** How many calls of each bulkhead wait. */
  get waiting(): Record<Bulkhead, number> {
    const { reads, writes, retries, lock_waits, management } = this.#queues;
    return {
      reads: reads.size,
      writes: writes.size,
      retries: retries.size,
      lock_waits: lock_waits.size,
      management: management.size,
    };
  }

  /** How many permits each bulkhead has. */
  get inUse(): Readonly<Record<Bulkhead, number>> {
    return this.#inUse;
  }

  /** Whether a call may take a connection at once. */
  hasRoom({ bulkhead }: Pick<ConnectionUse, "bulkhead">): boolean {
    const { reads, writes, retries, lock_waits, management } = this.#inUse;
    const slow = retries + lock_waits + management;
    if (reads + writes + slow >= this.#limits.poolSize) return false;
    if (this.#inUse[bulkhead] >= this.#maxInUse[bulkhead]) return false;
    if (bulkhead === "reads") return true;
    if (writes + slow >= this.#maxNonReads) return false;
    return bulkhead === "writes" || slow < this.#maxSlow;
  }

  /**
   * Resolves when the call may take a connection. `release` must follow, with the same use.
   *
   * @throws {SessionError} OVERLOADED if the queue is full or the call has waited for too long; the
   * reason of the signal, as soon as it fires
   */
  async acquire(
    { bulkhead, clientKey }: ConnectionUse,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    // Whoever waits now waits for another bulkhead, or would have been started.
    if (this.hasRoom({ bulkhead })) this.#inUse[bulkhead] += 1;
    else await this.#wait(bulkhead, { signal, clientKey });
  }

  release({ bulkhead }: ConnectionUse): void {
    this.#inUse[bulkhead] -= 1;
    for (let idle = 0; idle < BULKHEADS.length; this.#turn += 1) {
      const next = BULKHEADS[this.#turn % BULKHEADS.length] as Bulkhead;
      idle = this.#startNext(next) ? 0 : idle + 1;
    }
  }

  /** Returns whether a waiting call of the bulkhead was started. */
  #startNext(bulkhead: Bulkhead): boolean {
    if (!this.hasRoom({ bulkhead })) return false;
    const next = this.#queues[bulkhead].shift();
    if (next === undefined) return false;
    this.#inUse[bulkhead] += 1;
    next.start();
    return true;
  }

  #wait(bulkhead: Bulkhead, caller: Caller): Promise<void> {
    const queue = this.#queues[bulkhead];
    const rejections = this.rejections[bulkhead];
    makeRoom(queue, this.#limits, caller, rejections);
    const waiter = new Waiter(caller, this.#limits, rejections, (gone) => queue.delete(gone));
    queue.add(waiter);
    return waiter.started;
  }
}
