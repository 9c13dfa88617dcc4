/** A time in milliseconds since the Unix epoch, from the database's clock. */
export type Instant = number;

/** Returns milliseconds that never decrease, for the measurement of durations. */
export type MonotonicClock = () => number;

/**
 * A duration or a time as Protobuf has it, in milliseconds. Rounds down; exact up to the year 9999 and
 * longer than any valid one.
 */
export function wholeMilliseconds(time: {
  readonly seconds: bigint;
  readonly nanos: number;
}): number {
  return Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6);
}

/** Milliseconds in whole seconds. Rounds down, so that no client counts on time that is not left. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
