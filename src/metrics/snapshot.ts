import { type MetricObjectWithValues, type MetricValue, Registry } from "@prometheus-io/client";
import { FAMILIES, type Labels } from "./families.ts";

/** One line of the text format. */
export interface Sample {
  /** Only of histograms: the family's name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** A family with its values, in the library's form. */
export type FamilySnapshot = MetricObjectWithValues<MetricValue<string>>;

/** What the classic form of the same histogram does not have. */
export interface NativeHistogram {
  /** The family's. */
  readonly name: string;
  readonly labels: Labels;
  readonly zeroCount: number;
  /** By ascending index; only those that are not empty. */
  readonly buckets: readonly (readonly [index: number, count: number])[];
}

/** What a process has counted. It is plain JSON: workers send it to their primary. */
export interface Snapshot {
  readonly metrics: readonly FamilySnapshot[];
  readonly native: readonly NativeHistogram[];
}

/** Merges what several processes have counted, as each family says. */
export async function merge(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  const all = snapshots.map(({ metrics }) => metrics).filter((metrics) => metrics.length > 0);
  return {
    metrics: await Registry.aggregate(all as object[]).getMetricsAsJSON(),
    native: mergeNative(snapshots.flatMap(({ native }) => native)),
  };
}

const keptGauges = new Set<string>(
  Object.values(FAMILIES)
    .filter((family) => "isKept" in family)
    .map(({ name }) => name),
);

/**
 * What still counts when the process has ended: its counters must not be missing from the sum, because a
 * sum that falls looks as if all counters had begun anew.
 */
export function lasting({ metrics, native }: Snapshot): Snapshot {
  const kept = metrics.filter(({ type, name }) => type !== "gauge" || keptGauges.has(name));
  return { metrics: kept, native };
}

export const EMPTY: Snapshot = { metrics: [], native: [] };

function mergeNative(histograms: readonly NativeHistogram[]): NativeHistogram[] {
  const series = Map.groupBy(histograms, ({ name, labels }) => JSON.stringify([name, labels]));
  return [...series.values()].map((same) => {
    const [{ name, labels }] = same as [NativeHistogram];
    const counts = new Map<number, number>();
    for (const [index, count] of same.flatMap(({ buckets }) => buckets)) {
      counts.set(index, (counts.get(index) ?? 0) + count);
    }
    const zeroCount = same.reduce((sum, histogram) => sum + histogram.zeroCount, 0);
    return { name, labels, zeroCount, buckets: [...counts].sort(([a], [b]) => a - b) };
  });
}
