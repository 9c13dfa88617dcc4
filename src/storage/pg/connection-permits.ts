import { SessionError } from "../../session/errors.ts";
import { type ClientKey, FairQueue, type Queued } from "./fair-queue.ts";

/**
 * The kinds of work that cannot take all connections from each other:
 * - reads: what calls such as Validate and Get wait for
 * - writes: short changes, which wait for no lock
 * - lock_waits: changes that wait for a lock of another transaction
 * - management: lists, signing keys, and the deletions of the sweep
 */
const BULKHEADS = ["reads", "writes", "lock_waits", "management"] as const;

export type Bulkhead = (typeof BULKHEADS)[number];

/** The client key of batches: their statements serve many clients. */
export const BATCHES = Symbol("batches");

/** What a connection is for. */
export interface ConnectionUse {
  readonly bulkhead: Bulkhead;
  /** Whose turn the call takes if it has to wait for a connection. */
  readonly clientKey?: ClientKey;
  /**
   * Names what the call may wait for, such as a session. Of the calls with the same key, only one at a
   * time has a connection.
   */
  readonly key?: string;
}

/** A use among the management. */
export function management({ clientKey }: { readonly clientKey?: ClientKey }): ConnectionUse {
  return { bulkhead: "management", clientKey };
}

export interface PermitLimits {
  /** The maximum number of permits, one for each connection of the pool. */
  readonly poolSize: number;
  /** The maximum number of calls that wait in each bulkhead. */
  readonly queueLimit: number;
  /** A call that has waited for this long is rejected with OVERLOADED. */
  readonly queueTimeoutMs: number;
}

type Signal = AbortSignal | undefined;

/**
 * Items of batches that turn out to wait for locks were accepted before and have a place in the queue
 * in any case: this many can be in the batches in flight at once.
 */
const LOCK_WAIT_ROOM = 2560;

/**
 * The connections that writes leave to reads, and those that lock_waits and management leave to writes
 * as well. Reads may use all: they wait for nothing but the server, and their batchers send few
 * statements at once.
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
  readonly #inUse: Record<Bulkhead, number> = { reads: 0, writes: 0, lock_waits: 0, management: 0 };
  /** The keys of the calls that have a connection. */
  readonly #keysInUse = new Set<string>();
  readonly #maxInUse: Readonly<Record<Bulkhead, number>>;
  /** The maximum number of connections for all that are not reads. */
  readonly #maxNonReads: number;
  /** The maximum number of connections for lock_waits and management together. */
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
      lock_waits: new FairQueue(),
      management: new FairQueue(),
    };
    this.#maxInUse = { reads: poolSize, writes: poolSize, lock_waits: share, management: share };
    this.#maxNonReads = poolSize - forReads;
    this.#maxSlow = Math.max(1, poolSize - forReads - forWrites);
  }

  /** The number of calls that wait. */
  get waitingCount(): number {
    return BULKHEADS.reduce((sum, bulkhead) => sum + this.#queues[bulkhead].size, 0);
  }

  /** Whether a call may take a connection at once. */
  hasRoom({ bulkhead, key }: ConnectionUse): boolean {
    const { reads, writes, lock_waits, management } = this.#inUse;
    const slow = lock_waits + management;
    if (reads + writes + slow >= this.#limits.poolSize) return false;
    if (this.#inUse[bulkhead] >= this.#maxInUse[bulkhead]) return false;
    if (key !== undefined && this.#keysInUse.has(key)) return false;
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
  async acquire(use: ConnectionUse, signal: Signal): Promise<void> {
    signal?.throwIfAborted();
    // Whoever waits now waits for another bulkhead or another key, or would have been started.
    if (this.hasRoom(use)) this.#start(use);
    else await this.#enqueue(use, signal);
  }

  release({ bulkhead, key }: ConnectionUse): void {
    this.#inUse[bulkhead] -= 1;
    if (key !== undefined) this.#keysInUse.delete(key);
    for (let idle = 0; idle < BULKHEADS.length; this.#turn += 1) {
      const next = BULKHEADS[this.#turn % BULKHEADS.length] as Bulkhead;
      idle = this.#startNext(next) ? 0 : idle + 1;
    }
  }

  #start({ bulkhead, key }: ConnectionUse): void {
    this.#inUse[bulkhead] += 1;
    if (key !== undefined) this.#keysInUse.add(key);
  }

  /** Returns whether a waiting call of the bulkhead was started. */
  #startNext(bulkhead: Bulkhead): boolean {
    const queue = this.#queues[bulkhead];
    if (queue.size === 0) return false;
    let started = false;
    queue.take(
      (waiter) => {
        if (!this.hasRoom(waiter.use)) return false;
        this.#start(waiter.use);
        waiter.resolve();
        started = true;
        return true;
      },
      () => started,
    );
    return started;
  }

  #enqueue(use: ConnectionUse, signal: Signal): Promise<void> {
    const { queueLimit, queueTimeoutMs } = this.#limits;
    const queue = this.#queues[use.bulkhead];
    const room = use.bulkhead === "lock_waits" ? LOCK_WAIT_ROOM : 0;
    if (queue.size >= queueLimit + room) {
      const evicted = queue.makeRoom(use.clientKey);
      if (evicted === undefined) return Promise.reject(new SessionError("OVERLOADED"));
      evicted.reject(new SessionError("OVERLOADED"));
    }
    const waiter = new Waiter(use, signal, queueTimeoutMs, () => queue.delete(waiter));
    queue.add(waiter);
    return waiter.started;
  }
}

/** A call that waits for a connection. Also the listener of its own signal. */
class Waiter implements Queued {
  readonly use: ConnectionUse;
  readonly queuedAt = performance.now();
  readonly started: Promise<void>;
  readonly #signal: Signal;
  readonly #timer: NodeJS.Timeout;
  readonly #leave: () => void;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(use: ConnectionUse, signal: Signal, timeoutMs: number, leave: () => void) {
    this.use = use;
    this.#signal = signal;
    this.#leave = leave;
    this.started = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const timeOut = () => {
      this.#leave();
      this.reject(new SessionError("OVERLOADED"));
    };
    this.#timer = setTimeout(timeOut, timeoutMs);
    signal?.addEventListener("abort", this);
  }

  get clientKey(): ClientKey {
    return this.use.clientKey;
  }

  resolve(): void {
    this.#settle();
    this.#resolve();
  }

  reject(error: unknown): void {
    this.#settle();
    this.#reject(error);
  }

  handleEvent(): void {
    this.#leave();
    this.reject(this.#signal?.reason);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this);
  }
}
