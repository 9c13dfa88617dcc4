import { setTimeout as delay } from "node:timers/promises";

/** Only ends a test that would hang: what is waited for may take its time on a busy machine. */
const LIMIT_MS = 120_000;

/** Asks again and again until the answer is not undefined or false, and returns it. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
): Promise<T> {
  const answer = await answerWithin(LIMIT_MS, ask);
  if (answer === undefined) throw new Error(`it never came to this: ${what}`);
  return answer;
}

/** Asks again and again; false if the answer was never true within the limit. */
export async function becomesTrue(
  ask: () => Promise<boolean> | boolean,
  limitMs = LIMIT_MS,
): Promise<boolean> {
  return (await answerWithin(limitMs, ask)) ?? false;
}

async function answerWithin<T>(
  limitMs: number,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T | undefined> {
  const givesUpAt = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > givesUpAt) return undefined;
    await delay(10);
  }
}

export type Sql = (text: string, values?: readonly unknown[]) => Promise<unknown[]>;

/** Waits until a connection waits for a lock that the process `pid` of the server holds. */
export async function untilBlockedBy(sql: Sql, pid: number): Promise<void> {
  const ask = async () => {
    const text = "SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
    return (await sql(text, [pid])).length > 0;
  };
  await until(`somebody waits for process ${pid}`, ask);
}

/** Whose calls may meet locks: a replica, or a way to the database without one. */
export interface LockWaiter {
  /**
   * How many of its calls wait for locks past their brief attempt, with a connection or about to get it: a
   * fifth of its pool at most. A call that was given up counts until its statement has ended.
   */
  lockWaits(): number;
}

/**
 * Waits until `count` calls are past the brief attempt with which work that may meet a lock begins.
 * Between its two attempts, a call has released all its locks and its place in every queue: whoever comes
 * then may overtake it.
 */
export async function untilPastBriefAttempt(waiter: LockWaiter, count = 1): Promise<void> {
  await until(`calls past their brief attempt: ${count}`, async () => waiter.lockWaits() >= count);
}

/**
 * Waits until the only call of `waiter` that meets a lock has its place in the queue for one that the
 * process `pid` of the server holds.
 */
export async function untilQueuedBehind(sql: Sql, pid: number, waiter: LockWaiter): Promise<void> {
  await untilPastBriefAttempt(waiter);
  await untilBlockedBy(sql, pid);
}

/**
 * Waits until a call of `waiter` has its place in a queue behind the one for which `untilQueuedBehind` has
 * waited.
 *
 * @param calls of `waiter` that wait then: 2 if the first one is also its own
 */
export async function untilQueuedSecond(sql: Sql, waiter: LockWaiter, calls = 1): Promise<void> {
  await untilPastBriefAttempt(waiter, calls);
  await untilWaiting(sql, 2);
}

/** How many connections to the database wait for locks. */
export async function waitingCount(sql: Sql): Promise<number> {
  const text = `SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`;
  return (await sql(text)).length;
}

/** Waits until that many connections to the database wait for locks. */
export async function untilWaiting(sql: Sql, count: number): Promise<void> {
  await until(
    `${count} connections wait for locks`,
    async () => (await waitingCount(sql)) >= count,
  );
}
