/**
 * The protobuf format of Prometheus (io.prometheus.client), which alone has native histograms. Written by
 * hand until the library has them.
 */

import type { Labels } from "./families.ts";
import { NATIVE_SCHEMA, NATIVE_ZERO_THRESHOLD } from "./histogram.ts";
import { bytesField, delimited, doubleField, sintField, varintField, zigzag } from "./protobuf.ts";
import type { FamilySnapshot, NativeHistogram, Sample, Snapshot } from "./snapshot.ts";

const METRIC_TYPES = { counter: 0, gauge: 1, summary: 2, histogram: 4 } as const;

/** The fields of MetricFamily. */
const FAMILY = { name: 1, help: 2, type: 3, metric: 4 } as const;
/** The fields of Metric. */
const METRIC = { label: 1, gauge: 2, counter: 3, histogram: 7 } as const;
/** The fields of Histogram. */
const HISTOGRAM = {
  count: 1,
  sum: 2,
  bucket: 3,
  schema: 5,
  zeroThreshold: 6,
  zeroCount: 7,
  positiveSpan: 12,
  positiveDelta: 13,
} as const;

/** All families, one message after the other, each with its length before it. Summaries are left out. */
export function protobufExposition({ metrics, native }: Snapshot): Buffer {
  return Buffer.concat(
    metrics
      .filter(({ type }) => type !== "summary")
      .map((family) => delimited(familyMessage(family, native))),
  );
}

function familyMessage(family: FamilySnapshot, native: readonly NativeHistogram[]): Buffer[] {
  const { name, help, type } = family;
  const samples = family.values as readonly Sample[];
  const metrics =
    type === "histogram"
      ? histogramMetrics(name, samples, native)
      : samples.map(({ labels, value }) => [
          ...labelPairs(labels),
          bytesField(type === "counter" ? METRIC.counter : METRIC.gauge, [doubleField(1, value)]),
        ]);
  return [
    bytesField(FAMILY.name, name),
    bytesField(FAMILY.help, help),
    varintField(FAMILY.type, METRIC_TYPES[type]),
    ...metrics.map((metric) => bytesField(FAMILY.metric, metric)),
  ];
}

function labelPairs(labels: Labels): Buffer[] {
  return Object.entries(labels).map(([name, value]) =>
    bytesField(METRIC.label, [bytesField(1, name), bytesField(2, String(value))]),
  );
}

function histogramMetrics(
  name: string,
  samples: readonly Sample[],
  native: readonly NativeHistogram[],
): Buffer[][] {
  const series = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  return [...series].map(([key, parts]) => {
    const labels = JSON.parse(key) as Labels;
    const part = (suffix: string) =>
      parts.find(({ metricName }) => metricName === `${name}_${suffix}`)?.value ?? 0;
    const buckets = parts.filter(({ metricName }) => metricName === `${name}_bucket`);
    const own = native.find((one) => one.name === name && JSON.stringify(one.labels) === key);
    const histogram = [
      varintField(HISTOGRAM.count, part("count")),
      doubleField(HISTOGRAM.sum, part("sum")),
      ...buckets.map(({ labels: { le }, value }) =>
        bytesField(HISTOGRAM.bucket, [varintField(1, value), doubleField(2, boundOf(le))]),
      ),
      ...(own === undefined ? [] : nativeFields(own)),
    ];
    return [...labelPairs(labels), bytesField(METRIC.histogram, histogram)];
  });
}

function boundOf(le: string | number | undefined): number {
  return le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le);
}

/** Buckets that follow each other are one span. Of counts, the differences are written. */
function nativeFields({ zeroCount, buckets }: NativeHistogram): Buffer[] {
  const spans: { offset: number; length: number }[] = [];
  const deltas: Buffer[] = [];
  let next = 0;
  let previous = 0;
  for (const [index, count] of buckets) {
    const current = spans.at(-1);
    if (current !== undefined && index === next) current.length += 1;
    else spans.push({ offset: index - next, length: 1 });
    deltas.push(zigzag(count - previous));
    next = index + 1;
    previous = count;
  }
  return [
    sintField(HISTOGRAM.schema, NATIVE_SCHEMA),
    doubleField(HISTOGRAM.zeroThreshold, NATIVE_ZERO_THRESHOLD),
    varintField(HISTOGRAM.zeroCount, zeroCount),
    ...spans.map(({ offset, length }) =>
      bytesField(HISTOGRAM.positiveSpan, [sintField(1, offset), varintField(2, length)]),
    ),
    ...(deltas.length === 0 ? [] : [bytesField(HISTOGRAM.positiveDelta, deltas)]),
  ];
}
