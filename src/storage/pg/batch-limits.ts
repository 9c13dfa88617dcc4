import type { BatcherLimits } from "./batcher.ts";
import type { DatabaseOptions } from "./database.ts";

/** The maximum number of batches in flight for one kind of call. */
const MAX_IN_FLIGHT = 2;
/**
 * The second batch of reads starts only if the first is slower than this, in milliseconds. If both started
 * at once, batches would be smaller: with 64 callers, a read would cost 32 µs in this process and 18 µs in
 * PostgreSQL instead of 26 and 14. Without batches, a read costs 230 and 150 µs.
 */
const READ_DELAY_MS = 10;
/**
 * That of changes starts at once, because this process has nothing to do while PostgreSQL waits for the
 * disk: with 64 callers, 1.2 times as many sessions are created, and 1.3 times as many touched.
 */
const CHANGE_DELAY_MS = 0;
/** Larger batches save nothing: a read costs PostgreSQL 10 µs in a batch of 64, and 9 µs in this. */
const MAX_BATCH = 256;

/** The limits of the batchers for frequent calls. */
export function batchLimits(
  { queueLimit, queueTimeoutMs }: DatabaseOptions,
  kind: "reads" | "changes",
): BatcherLimits {
  return {
    maxInFlight: MAX_IN_FLIGHT,
    maxDelayMs: kind === "reads" ? READ_DELAY_MS : CHANGE_DELAY_MS,
    maxBatch: MAX_BATCH,
    queueLimit,
    queueTimeoutMs,
  };
}
