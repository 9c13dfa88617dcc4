/** A time in milliseconds since the Unix epoch, from the database's clock. */
export type Instant = number;

/** Returns milliseconds that never decrease, for the measurement of durations. */
export type MonotonicClock = () => number;

/** Milliseconds in whole seconds. Rounds down, so that no client counts on time that is not left. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
