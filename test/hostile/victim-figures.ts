/** What the well-behaved client has seen. */
export interface VictimFigures {
  readonly calls: number;
  /** How often each failure occurred. */
  readonly failures: Readonly<Record<string, number>>;
  readonly failed: number;
  readonly healthFailed: number;
  /** Milliseconds; NaN without a call that succeeded. */
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
}

export function summarize(
  latencies: readonly number[],
  failures: Readonly<Record<string, number>>,
  healthFailed: number,
): VictimFigures {
  const sorted = latencies.toSorted((a, b) => a - b);
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const at = (part: number) =>
    Math.round((sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN) * 10) / 10;
  return {
    calls: latencies.length + failed,
    failures,
    failed,
    healthFailed,
    p50: at(0.5),
    p99: at(0.99),
    slowest: at(1),
  };
}
