import type { TestDatabase } from "./database.ts";
import { holdTransaction } from "./transaction.ts";
import { type LockWaiter, until, untilBlockedBy, untilPastBriefAttempt } from "./until.ts";

export interface Deadlock {
  readonly table: string;
  /** Locks the row with the id $1. */
  readonly lock: string;
  /** The ids of three rows, in the order in which `work` locks them. */
  readonly rows: readonly [unknown, unknown, unknown];
  /** Whose call `work` is, if it begins with a brief attempt. */
  readonly waiter?: LockWaiter;
}

/**
 * Makes PostgreSQL end `work` by a deadlock exactly once, and resolves with the result of `work`.
 * PostgreSQL checks for a deadlock once, after a wait of one second. So `work` must be the call that
 * completes the cycle: until then the second row blocks it. Its retry must run after the other
 * transaction: until then a lock of the table blocks it.
 */
export async function deadlockOnce<T>(
  database: TestDatabase,
  { table, lock, rows: [first, second, third], waiter }: Deadlock,
  work: () => Promise<T>,
): Promise<T> {
  const begin = async () => {
    const transaction = await holdTransaction(database);
    await transaction.query("SET LOCAL deadlock_timeout = '1h'");
    return transaction;
  };
  const [other, brake, gate] = [await begin(), await begin(), await begin()] as const;
  const untilWaits = (pid: number) =>
    until(`process ${pid} waits`, async () => {
      const text = "SELECT WHERE cardinality(pg_blocking_pids($1)) > 0";
      return (await database.sql(text, [pid])).length > 0;
    });
  try {
    await other.query(lock, [third]);
    await brake.query(lock, [second]);
    const working = work();
    working.catch(() => {});
    // Between its two attempts, `other` would get the first row.
    if (waiter !== undefined) await untilPastBriefAttempt(waiter);
    await untilBlockedBy(database.sql, brake.pid);
    const locking = other.query(lock, [first]);
    locking.catch(() => {});
    await untilWaits(other.pid);
    const closing = gate.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    closing.catch(() => {});
    await untilWaits(gate.pid);

    await brake.commit();
    // Only its end by PostgreSQL makes `work` let go of the first row.
    await locking;
    await other.commit();
    await closing;
    await gate.commit();
    return await working;
  } finally {
    for (const transaction of [other, brake, gate]) await transaction.end();
  }
}
