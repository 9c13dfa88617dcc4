import type { ValueTransformer } from "typeorm";
import type { Instant } from "../../session/clock.ts";

/** Rows of our own statements hold milliseconds (row-types.ts), those of TypeORM's queries dates. */
export function instantOf(value: unknown): Instant {
  return Number(value);
}

export function optionalInstantOf(value: unknown): Instant | undefined {
  return value === null ? undefined : instantOf(value);
}

/** Timestamps are milliseconds since the epoch in the domain, and absent ones undefined. */
export const instant: ValueTransformer = {
  from: optionalInstantOf,
  to: (value: Instant | undefined) => (value === undefined ? null : new Date(value)),
};

export const bigint: ValueTransformer = {
  from: (value: string) => BigInt(value),
  to: (value: bigint) => value.toString(),
};
