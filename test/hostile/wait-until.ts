import { setTimeout as delay } from "node:timers/promises";

/** Asks again and again; false if the answer was never true within the limit. */
export async function waitUntil(
  ask: () => Promise<boolean> | boolean,
  limitMs = 60_000,
): Promise<boolean> {
  const givesUpAt = performance.now() + limitMs;
  while (!(await ask())) {
    if (performance.now() > givesUpAt) return false;
    await delay(50);
  }
  return true;
}
