import { availableParallelism, cpus, platform, release, totalmem } from "node:os";

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGb: number;
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
}

/** The properties on which figures depend. They do not identify the machine. */
export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() || "unknown",
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: platform(),
    kernel: release().split(".", 2).join("."),
    node: process.version,
  };
}
