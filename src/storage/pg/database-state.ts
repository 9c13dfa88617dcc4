import type pg from "pg";
import type { Bulkhead, ConnectionPermits } from "./connection-permits.ts";
import type { KeyedMutex } from "./keyed-mutex.ts";
import type { Rejections } from "./waiter.ts";

/** What waits for connections and batches, and what uses them, at one moment. */
export interface DatabaseState {
  readonly poolSize: number;
  /** The connections of the pool that nobody uses, and the others. */
  readonly idle: number;
  readonly leased: number;
  /** How many calls may use a connection. Some of them may wait until it is open. */
  readonly inUse: Readonly<Record<Bulkhead, number>>;
  /** How many calls wait in each queue: those of the bulkheads, of locks, and of batchers by their names. */
  readonly queued: Readonly<Record<string, number>>;
  /** How many calls each queue has refused since the start. */
  readonly rejected: Readonly<Record<string, Readonly<Rejections>>>;
}

/** What is told of a batcher. */
export interface TrackedBatcher {
  readonly name: string;
  readonly queued: number;
  readonly rejections: Rejections;
}

export interface DatabaseParts {
  readonly poolSize: number;
  readonly pool: pg.Pool;
  readonly permits: ConnectionPermits;
  readonly mutex: KeyedMutex;
  readonly batchers: readonly TrackedBatcher[];
}

export function databaseState(parts: DatabaseParts): DatabaseState {
  const { poolSize, pool, permits, mutex, batchers } = parts;
  return {
    poolSize,
    idle: pool.idleCount,
    leased: pool.totalCount - pool.idleCount,
    inUse: permits.inUse,
    queued: {
      ...permits.waiting,
      locks: mutex.waitingCount,
      ...Object.fromEntries(batchers.map(({ name, queued }) => [name, queued])),
    },
    rejected: {
      ...permits.rejections,
      locks: mutex.rejections,
      ...Object.fromEntries(batchers.map(({ name, rejections }) => [name, rejections])),
    },
  };
}
