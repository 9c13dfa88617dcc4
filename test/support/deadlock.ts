import type { TestDatabase } from "./database.ts";
import { holdTransaction } from "./transaction.ts";
import { until, untilBlockedBy } from "./until.ts";

export interface Deadlock {
  readonly table: string;
  /** Locks the row with the id $1. */
  readonly lock: string;
  /** The ids of three rows, in the order in which `work` locks them. */
  readonly rows: readonly [unknown, unknown, unknown];
}

/**
 * Has PostgreSQL end `work` by a deadlock, once and only once, and resolves with what it comes to.
 * PostgreSQL looks for a deadlock when a wait has lasted for a second, and then no more: so `work`
 * has to be the one whose wait closes the circle, and is held up before it by the second row. What
 * it tries next has to let the other transaction go first, and is held up by a lock of the table.
 */
export async function deadlockOnce<T>(
  database: TestDatabase,
  { table, lock, rows: [first, second, third] }: Deadlock,
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
