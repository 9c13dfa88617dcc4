/** A worker that has served for this long was not replaced in vain. */
export const STABLE_MS = 60_000;

const FIRST_MS = 1000;
const MAX_MS = 30_000;

/**
 * How long to wait before a worker is replaced: not at all the first time, then twice as long each time,
 * for 30 s at most.
 *
 * @param failures how many of its predecessors in a row have ended soon
 */
export function restartDelayMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(FIRST_MS * 2 ** (failures - 1), MAX_MS);
}
