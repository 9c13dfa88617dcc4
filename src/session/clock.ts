/** Milliseconds since the Unix epoch, by the database's clock. */
export type Instant = number;

/** Milliseconds that only ever grow, for measuring how long something took. */
export type MonotonicClock = () => number;
