import { type Instant, wholeMilliseconds } from "./clock.ts";
import type { Violations } from "./violations.ts";

/** The end of the year 9999, which is the last one that a Timestamp has. */
const MAX_SECONDS = 253_402_300_799n;

/** A time as Protobuf has it, of any value. */
export interface RequestedTime {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** From `since` on, and before `before`. Undefined: without this end. */
export interface Period {
  readonly since: Instant | undefined;
  readonly before: Instant | undefined;
}

/** In milliseconds, cut off. */
export function checkedTime(
  field: string,
  time: RequestedTime | undefined,
  violations: Violations,
): Instant | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  const isValid = seconds >= 0n && seconds <= MAX_SECONDS && nanos >= 0 && nanos < 1e9;
  if (!isValid) violations.add(field, "must be a time from 1970 to 9999");
  return wholeMilliseconds(time);
}

/** The period between two fields, `<field>_since` and `<field>_before`, which must not be empty. */
export function checkedPeriod(
  field: string,
  requested: {
    readonly since: RequestedTime | undefined;
    readonly before: RequestedTime | undefined;
  },
  violations: Violations,
): Period {
  const since = checkedTime(`${field}_since`, requested.since, violations);
  const before = checkedTime(`${field}_before`, requested.before, violations);
  if (violations.none && since !== undefined && before !== undefined && before <= since) {
    violations.add(`${field}_before`, `must be later than ${field}_since`);
  }
  return { since, before };
}
