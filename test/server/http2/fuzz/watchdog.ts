import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Conversation } from "./conversation.ts";

/** How long one conversation may take. */
const LIMIT_MS = 20_000;

/** Ends the process, with what it was doing, if that takes too long: an endless loop, or no progress. */
export class Watchdog implements Disposable {
  readonly #worker = new Worker(fileURLToPath(new URL("./watchdog-worker.ts", import.meta.url)), {
    workerData: { limitMs: LIMIT_MS },
  });

  constructor() {
    this.#worker.unref();
  }

  /** The conversation is written to a file if it hangs. */
  begin(what: string, conversation: Conversation): void {
    this.#worker.postMessage({ what, conversation });
  }

  [Symbol.dispose](): void {
    void this.#worker.terminate();
  }
}
