import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Target {
  readonly expr: string;
  /** With labels as `{{name}}`. */
  readonly legendFormat: string;
}

export interface Panel {
  readonly id: number;
  readonly type: "row" | "stat" | "timeseries";
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit: string;
      readonly custom?: { readonly stacking: { readonly mode: "normal" | "none" } };
    };
  };
}

export interface Dashboard {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** deploy/grafana/sessiond.json. */
export function readDashboard(): Dashboard {
  const file = join(import.meta.dirname, "../../deploy/grafana/sessiond.json");
  return JSON.parse(readFileSync(file, "utf8"));
}

/** The query with its variables replaced, as Grafana replaces them. */
export function queryOf({ expr }: Target, rateInterval: string): string {
  return expr.replaceAll("$job", ".*").replaceAll("$__rate_interval", rateInterval);
}
