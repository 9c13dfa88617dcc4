import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { VictimFigures } from "./victim-figures.ts";

/** The well-behaved client beside the attacks, which runs until it is stopped. */
export interface WellBehavedClient {
  /** What it has seen since this was called the last time. */
  figures(): Promise<VictimFigures>;
  stop(): Promise<void>;
}

export function startWellBehavedClient(url: string, cookie: string): WellBehavedClient {
  const child = fork(join(import.meta.dirname, "victim.ts"), [url, cookie], {
    // JSON has no NaN.
    serialization: "advanced",
  });
  return {
    async figures() {
      const answer = once(child, "message");
      child.send("figures");
      return (await answer)[0] as VictimFigures;
    },
    async stop() {
      if (child.exitCode !== null) return;
      child.disconnect();
      await once(child, "exit");
    },
  };
}
