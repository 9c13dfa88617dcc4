/** Milliseconds since the Unix epoch, by the database's clock. */
export type Instant = number;

/** Milliseconds that only ever grow, for measuring how long something took. */
export type MonotonicClock = () => number;

/** The whole seconds in a duration, rounded down: nobody is promised time that is not left. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
