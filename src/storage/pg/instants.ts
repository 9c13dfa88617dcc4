import type { ValueTransformer } from "typeorm";
import type { Instant } from "../../session/clock.ts";

/** Rows of our own statements have milliseconds (row-types.ts), rows of TypeORM's queries have dates. */
export function instantOf(value: unknown): Instant {
  return Number(value);
}

export function optionalInstantOf(value: unknown): Instant | undefined {
  return value === null ? undefined : instantOf(value);
}

/** In the domain, a timestamp is in milliseconds since the Unix epoch, and NULL is undefined. */
export const instant: ValueTransformer = {
  from: optionalInstantOf,
  to: (value: Instant | undefined) => (value === undefined ? null : new Date(value)),
};

export const bigint: ValueTransformer = {
  from: (value: string) => BigInt(value),
  to: (value: bigint) => value.toString(),
};
