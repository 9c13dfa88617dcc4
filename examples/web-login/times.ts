const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

/** Such as "5 minutes ago"; "just now" within the last minute. */
export function ago(time: Date, now: Date): string {
  const seconds = Math.floor((now.getTime() - time.getTime()) / 1000);
  const unit = UNITS.find(([, length]) => seconds >= length);
  return unit === undefined ? "just now" : relative.format(-Math.floor(seconds / unit[1]), unit[0]);
}

/** Such as "12 hours", in the largest unit that fits; `round` says what becomes of the rest. */
export function duration(seconds: number, round: (count: number) => number): string {
  const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? ["second", 1];
  const count = round(seconds / length);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
