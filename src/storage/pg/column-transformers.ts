import type { ValueTransformer } from "typeorm";

/** Timestamps are milliseconds since the epoch in the domain, and absent ones undefined. */
export const instant: ValueTransformer = {
  from: (value: Date | null) => value?.getTime(),
  to: (value: number | undefined) => (value === undefined ? null : new Date(value)),
};

export const bigint: ValueTransformer = {
  from: (value: string) => BigInt(value),
  to: (value: bigint) => value.toString(),
};
