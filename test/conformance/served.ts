/** What one server of a run has served, with one version of HTTP, with TLS or without. */
export interface Served {
  /** 1 or 2. */
  readonly httpVersion: number;
  readonly tls: boolean;
  readonly unaryCalls: number;
  /** How many of them the unary fast path has served. */
  readonly fastPathCalls: number;
}

const transports = [1, 2].flatMap((httpVersion) =>
  [false, true].map((tls) => ({ httpVersion, tls })),
);

/** Adds up what the servers of a run have served: a sum for each version of HTTP, with TLS and without. */
export function sumByTransport(served: readonly Served[]): Served[] {
  return transports.map(({ httpVersion, tls }) => {
    const same = served.filter((one) => one.httpVersion === httpVersion && one.tls === tls);
    return {
      httpVersion,
      tls,
      unaryCalls: same.reduce((sum, one) => sum + one.unaryCalls, 0),
      fastPathCalls: same.reduce((sum, one) => sum + one.fastPathCalls, 0),
    };
  });
}

/** Whether calls came over both versions of HTTP, with TLS and without, and the fast path was used. */
export function isWholeRun(sums: readonly Served[]): boolean {
  return sums.every(
    ({ httpVersion, unaryCalls, fastPathCalls }) =>
      unaryCalls > 0 && (httpVersion === 1 || fastPathCalls > 0),
  );
}
