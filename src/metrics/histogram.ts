import type { Labels } from "./families.ts";
import type { NativeHistogram, Sample } from "./snapshot.ts";

/** A histogram with fixed upper bounds. Recording allocates nothing. */
export class Histogram {
  readonly #bounds: Float64Array;
  /** The values in each bucket, not cumulative; the last one is above all bounds. */
  readonly #counts: Float64Array;
  /** In an array, because a field would be a new number object for each value. */
  readonly #sum = new Float64Array(1);

  /** @param bounds ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    const bounds = this.#bounds;
    const { length } = bounds;
    let bucket = 0;
    while (bucket < length && value > (bounds[bucket] as number)) bucket += 1;
    (this.#counts[bucket] as number) += 1;
    (this.#sum[0] as number) += value;
  }

  /** Of the text format: cumulative buckets, sum and count. Empty as long as nothing was recorded. */
  samples(name: string, labels: Labels): Sample[] {
    const bounds = [...this.#bounds, "+Inf"];
    let count = 0;
    const buckets = bounds.map((le, index) => {
      count += this.#counts[index] as number;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    if (count === 0) return [];
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum[0] as number },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

/** In seconds. */
const DURATION_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Prometheus' schema 3: eight buckets for each power of two, so each bound is 1.09 times the one before. */
export const NATIVE_SCHEMA = 3;
const BUCKETS_PER_DOUBLING = 2 ** NATIVE_SCHEMA;
/** In seconds. What takes no longer is in the zero bucket. */
export const NATIVE_ZERO_THRESHOLD = 2 ** -20;
/** The bucket that ends at the threshold: the one before the first. */
const BEFORE_FIRST = -20 * BUCKETS_PER_DOUBLING;
/** The one that ends at 2^17 s, a day and a half: longer than a stream may be. Longer ones are in it too. */
const LAST = 17 * BUCKETS_PER_DOUBLING;

/** Times, as a histogram with fixed bounds and as a native one. Recording allocates nothing. */
export class DurationHistogram {
  readonly #classic = new Histogram(DURATION_BOUNDS);
  /** The first one is the zero bucket. */
  readonly #native = new Float64Array(LAST - BEFORE_FIRST + 1);

  record(seconds: number): void {
    this.#classic.record(seconds);
    const index = seconds > NATIVE_ZERO_THRESHOLD ? nativeIndex(seconds) - BEFORE_FIRST : 0;
    (this.#native[index] as number) += 1;
  }

  samples(name: string, labels: Labels): Sample[] {
    return this.#classic.samples(name, labels);
  }

  native(name: string, labels: Labels): NativeHistogram {
    const [zeroCount = 0] = this.#native;
    const buckets: [index: number, count: number][] = [];
    this.#native.forEach((count, position) => {
      if (position > 0 && count > 0) buckets.push([position + BEFORE_FIRST, count]);
    });
    return { name, labels, zeroCount, buckets };
  }
}

/** The native bucket of a time above the threshold: its upper bound is 2^(index / 8). */
function nativeIndex(seconds: number): number {
  return Math.min(Math.ceil(Math.log2(seconds) * BUCKETS_PER_DOUBLING), LAST);
}
