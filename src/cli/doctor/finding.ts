import type { Config } from "../../config/config.ts";
import type { Environment } from "../../config/env-reader.ts";
import type { Cli } from "../cli.ts";

export type Level = "ok" | "warning" | "problem";

/** What a check has found. The texts have no secret. */
export interface Finding {
  readonly level: Level;
  readonly text: string;
  /** What to do about it. */
  readonly fix?: string;
}

export interface DoctorContext {
  readonly cli: Cli;
  readonly env: Environment;
  /** Undefined if it is not valid. */
  readonly config: Config | undefined;
}

/** One part of what doctor looks at. */
export interface Check {
  readonly name: string;
  /** Asks a running service, or its metrics. */
  readonly isOnline: boolean;
  run(context: DoctorContext): Promise<readonly Finding[]>;
}

export const ok = (text: string): Finding => ({ level: "ok", text });
export const warning = (text: string, fix: string): Finding => ({ level: "warning", text, fix });
export const problem = (text: string, fix: string): Finding => ({ level: "problem", text, fix });

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** Such as `3 d` or `250 ms`, rounded down to one unit. */
export function roughDuration(ms: number): string {
  const [unit, size] = UNITS.find(([, unitMs]) => ms >= unitMs) ?? ["ms", 1];
  return `${Math.floor(ms / size)} ${unit}`;
}
