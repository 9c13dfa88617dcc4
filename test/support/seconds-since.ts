/** The seconds since `start`, a reading of `performance.now()` in milliseconds. */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
