import type { Code } from "@connectrpc/connect";

/** Counts how the calls of one method end. */
export interface MethodMeter {
  /**
   * Called once for each call, on the hot path. It must not throw, and should not allocate.
   *
   * @param code undefined if the call succeeded
   * @param durationMs from the arrival of the headers; undefined for a request that is refused before any
   * handler: it has taken no time worth measuring, and counts as a call only
   */
  ended(code: Code | undefined, durationMs: number | undefined): void;
}

/** Counts how calls end, successful ones too. */
export interface CallMeter {
  /** The meter of `package.Service/Method`. Called once for each method, when the server starts. */
  method(rpc: string): MethodMeter;
  /** For requests whose method does not exist or is not known. */
  readonly unknown: MethodMeter;
}
