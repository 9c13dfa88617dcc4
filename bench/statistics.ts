/** The median, minimum and maximum of repeated measurements. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** For an even number of values, the mean of the two in the middle. Undefined without values. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return undefined;
  const lower = sorted[middle - 1];
  return sorted.length % 2 === 0 && lower !== undefined ? (lower + upper) / 2 : upper;
}

/** Ignores undefined values, which could not be measured. Undefined without values. */
export function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  const known = values.filter((value) => value !== undefined);
  const middle = median(known);
  if (middle === undefined) return undefined;
  return { median: middle, min: Math.min(...known), max: Math.max(...known), count: known.length };
}

/** Undefined if a value is missing or the divisor is 0. */
export function ratio(of: number | undefined, against: number | undefined): number | undefined {
  return of === undefined || against === undefined || against === 0 ? undefined : of / against;
}

/** The quantile of sorted values; `share` is from 0 to 1. Undefined without values. */
export function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
