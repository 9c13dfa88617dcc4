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

type Sql = (text: string, values?: readonly unknown[]) => Promise<unknown[]>;

/** Waits until a connection waits for a lock that the process `pid` of the server holds. */
export async function untilBlockedBy(sql: Sql, pid: number): Promise<void> {
  const ask = async () => {
    const text = "SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
    return (await sql(text, [pid])).length > 0;
  };
  await until(`somebody waits for process ${pid}`, ask);
}

/** So often the same wait is seen before it counts as long: at least 200 ms, and more on a busy machine. */
const LOOKS = 20;

/**
 * The same, past the brief attempt with which work that may meet a lock begins. Only then has nobody else
 * a chance to get the locks that it has taken so far: it lets go of them between its two attempts.
 */
export async function untilBlockedForLongBy(sql: Sql, pid: number): Promise<void> {
  const text = `SELECT pid || ' since ' || query_start AS wait FROM pg_stat_activity
    WHERE $1 = ANY (pg_blocking_pids(pid))`;
  let looks = new Map<unknown, number>();
  await until(`somebody waits for process ${pid}, not only briefly`, async () => {
    const waits = (await sql(text, [pid])) as { wait: string }[];
    looks = new Map(waits.map(({ wait }) => [wait, (looks.get(wait) ?? 0) + 1]));
    return [...looks.values()].some((count) => count >= LOOKS);
  });
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
