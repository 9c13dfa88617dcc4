/** Times and sizes, as they are written in settings. */

/** Units of one measure. */
export interface Scale {
  /** From the largest to the smallest. */
  readonly units: Readonly<Record<string, number>>;
  readonly zero: string;
}

const TIME_UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
export const TIME: Scale = { units: TIME_UNITS, zero: "0s" };
export const SIZE: Scale = { units: { MiB: 1_048_576, KiB: 1024, B: 1 }, zero: "0B" };

/**
 * Parses one whole number and one unit to the smallest unit; NaN for anything else. Only zero needs
 * no unit: some readers would take "30" for 30 ms, others for 30 s.
 */
export function parseQuantity(text: string, { units }: Scale): number {
  const [, digits, unit = ""] = /^(\d{1,15})([A-Za-z]*)$/.exec(text) ?? [];
  if (unit === "") return Number(digits) === 0 ? 0 : Number.NaN;
  return Object.hasOwn(units, unit) ? Number(digits) * (units[unit] ?? Number.NaN) : Number.NaN;
}

/** In the largest unit that needs no fraction. */
export function formatQuantity(amount: number, { units, zero }: Scale): string {
  if (amount === 0) return zero;
  const [unit, size] = Object.entries(units).find(([, size]) => amount % size === 0) ?? ["", 1];
  return `${amount / size}${unit}`;
}

/** `ms` is a whole number. 90 minutes are `90m`, 24 hours are `1d`. */
export function formatDuration(ms: number): string {
  return formatQuantity(ms, TIME);
}
