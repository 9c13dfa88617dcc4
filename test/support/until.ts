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

/** How many polls in a row see the same wait before it counts as long: 200 ms, more on a busy machine. */
const POLLS_OF_LONG_WAIT = 20;

/**
 * The same, but past the brief attempt with which work that may meet a lock begins: it releases all its
 * locks between its two attempts, and anyone may take them then.
 */
export async function untilBlockedForLongBy(sql: Sql, pid: number): Promise<void> {
  const text = `SELECT pid || ' since ' || query_start AS wait FROM pg_stat_activity
    WHERE $1 = ANY (pg_blocking_pids(pid))`;
  let polls = new Map<string, number>();
  await until(`somebody waits for process ${pid}, not only briefly`, async () => {
    const waits = (await sql(text, [pid])) as { wait: string }[];
    polls = new Map(waits.map(({ wait }) => [wait, (polls.get(wait) ?? 0) + 1]));
    return [...polls.values()].some((count) => count >= POLLS_OF_LONG_WAIT);
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
