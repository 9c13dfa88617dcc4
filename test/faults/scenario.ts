import type { Violation } from "./history.ts";
import type { Recorder } from "./recorder.ts";
import type { FaultServer } from "./server.ts";

/** How much of each fault is injected: in CI, or in full. */
export interface Scale {
  readonly quick: boolean;
  /** Chooses by the kind of run. */
  of<T>(quick: T, full: T): T;
}

export interface Scenario {
  /** For `--only`. */
  readonly name: string;
  /** As in the table. */
  readonly fault: string;
  run(server: FaultServer, scale: Scale): Promise<Report>;
}

export interface Report {
  /** How often the fault was injected. */
  readonly injected: number;
  readonly recorder: Recorder;
  readonly violations: readonly Violation[];
  /** From the fault until PostgreSQL accepts connections again. */
  readonly slowestRestartMs?: number;
  /**
   * From when the database is there again, or from the kill of a replica, until both replicas have
   * acknowledged a Create.
   */
  readonly slowestRecoveryMs?: number;
  /** What else the scenario tells. */
  readonly figures?: Readonly<Record<string, number | string>>;
}

/** What this machine cannot do. */
export class Skipped extends Error {}

/** A violation that is not one of the history. */
export function broken(rule: string, explanation: string): Violation {
  return { rule, explanation, operations: [] };
}
