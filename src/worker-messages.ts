/** What the primary process and its workers tell each other. */

import type { Document, ReadyState } from "./metrics/listener.ts";
import type { Snapshot } from "./metrics/snapshot.ts";
import type { EmbeddedDatabase } from "./open-encrypted-storage.ts";

/** The argument of a worker's process, which also tells it from the primary in a list of processes. */
export const WORKER_ARGUMENT = "worker";

/** The first message to a worker. */
export interface StartMessage {
  readonly type: "start";
  /** From 1 to the number of workers. A worker that replaces another one has its number. */
  readonly worker: number;
  /** The number of workers, as the primary has determined it. */
  readonly workers: number;
  /** Undefined: the configured one. */
  readonly port: number | undefined;
  /** Undefined with an external database. */
  readonly embedded: EmbeddedDatabase | undefined;
  /** Whether SIGUSR2 has switched the log to debug. */
  readonly isLogSwitched: boolean;
}

export type ToWorker =
  | StartMessage
  /** Run what only one of all workers runs, such as scheduled sweeps. */
  | { readonly type: "lead" }
  | { readonly type: "read_files" }
  /** Answer. */
  | { readonly type: "ping" }
  | { readonly type: "switch_log"; readonly isLogSwitched: boolean }
  /** Answer with what was counted. With `reset`, event-loop delays are measured anew. */
  | { readonly type: "metrics"; readonly collection: number; readonly reset: boolean }
  /** If you serve, answer with the document of this path. */
  | { readonly type: "document"; readonly request: number; readonly path: string }
  /** Finish the calls in flight, and exit. */
  | { readonly type: "stop" };

export type FromWorker =
  | { readonly type: "serving"; readonly url: string; readonly port: number }
  | { readonly type: "pong" }
  /** The collection that it answers; 0 from a worker that ends. */
  | { readonly type: "metrics"; readonly collection: number; readonly snapshot: Snapshot }
  /** The request that it answers. The body is text, as all messages are. */
  | {
      readonly type: "document";
      readonly request: number;
      readonly document: Omit<Document, "body"> & { readonly body: string };
    }
  /** At each change, while it serves. */
  | { readonly type: "readiness"; readonly state: ReadyState }
  /** The worker exits, because of an error that the message explains to users. */
  | { readonly type: "failed"; readonly message: string };
