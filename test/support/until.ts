import { setTimeout as delay } from "node:timers/promises";

const LIMIT_MS = 10_000;

/** Asks again and again until the answer is not undefined or false, and returns it. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  limitMs = LIMIT_MS,
): Promise<T> {
  const givesUpAt = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > givesUpAt) throw new Error(`it never came to this: ${what}`);
    await delay(10);
  }
}

/** Waits until a backend other than ours waits for a lock that `pid` holds. */
export function untilBlockedBy(
  sql: (text: string, values?: readonly unknown[]) => Promise<unknown[]>,
  pid: number,
  limitMs = LIMIT_MS,
): Promise<true> {
  const ask = async () => {
    const rows = await sql(
      "SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))",
      [pid],
    );
    return rows.length > 0 ? true : undefined;
  };
  return until(`somebody waits for process ${pid}`, ask, limitMs);
}
