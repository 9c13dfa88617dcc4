import { percentile } from "../faults/percentile.ts";

/** What the well-behaved client has seen. */
export interface ClientFigures {
  readonly calls: number;
  /** How often each failure occurred. */
  readonly failures: Readonly<Record<string, number>>;
  readonly failed: number;
  /** Milliseconds; 0 without a call that succeeded. */
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
}

export function summarize(
  latencies: readonly number[],
  failures: Readonly<Record<string, number>>,
): ClientFigures {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const at = (share: number) => Math.round(percentile(latencies, share) * 10) / 10;
  return {
    calls: latencies.length + failed,
    failures,
    failed,
    p50: at(0.5),
    p99: at(0.99),
    slowest: at(1),
  };
}
