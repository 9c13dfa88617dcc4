import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { ClientFigures } from "./client-figures.ts";

/** What a client needs to call a sessiond. */
export interface Access {
  readonly url: string;
  /** Of the session that it validates. */
  readonly cookie: string;
  /** Empty: without one. */
  readonly token: string;
  /** The certificate of the authority to trust, in PEM. Empty: Node's own. */
  readonly ca: string;
}

/** The well-behaved client beside the attacks, which runs until it is stopped. */
export interface WellBehavedClient {
  /** What it has seen since this was called the last time. */
  figures(): Promise<ClientFigures>;
  stop(): Promise<void>;
}

export function startWellBehavedClient(access: Access): WellBehavedClient {
  const script = join(import.meta.dirname, "well-behaved-client-process.ts");
  const child = fork(script, [JSON.stringify(access)]);
  return {
    async figures() {
      const answer = once(child, "message");
      child.send("figures");
      return (await answer)[0] as ClientFigures;
    },
    async stop() {
      if (child.exitCode !== null) return;
      child.disconnect();
      await once(child, "exit");
    },
  };
}
