import { Code, ConnectError } from "@connectrpc/connect";
import { FairTurns } from "./fair-turns.ts";

/** A call from its headers until its response was sent or failed. */
export interface TrackedCall {
  /** Streaming calls may never end by themselves, so a drain aborts them. */
  readonly streaming: boolean;
  /** Fires the signal of the call's handler. */
  readonly abort: (reason: ConnectError) => void;
}

/**
 * The calls in flight, of all protocols.
 *
 * A shutdown has two steps: `drain` aborts the streaming calls and lets the unary calls finish;
 * `abort` aborts what is left. A call that is added later is treated as the current step says.
 */
export interface InFlightCalls {
  readonly size: number;
  /** Runs a task for a call that is in flight, soon: the deadlines of very many may pass together. */
  soon(call: TrackedCall, task: () => void): void;
  add(call: TrackedCall): void;
  delete(call: TrackedCall): void;
  drain(): void;
  abort(): void;
}

export function createInFlightCalls(turns = new FairTurns()): InFlightCalls {
  const calls = new Set<TrackedCall>();
  let stage: "serving" | "draining" | "aborting" = "serving";

  function abortIfDue(call: TrackedCall): void {
    if (stage === "aborting" || (stage === "draining" && call.streaming)) {
      // Clients retry UNAVAILABLE on another replica.
      call.abort(new ConnectError("the server is shutting down", Code.Unavailable));
    }
  }

  function enter(next: typeof stage): void {
    stage = next;
    for (const call of [...calls]) {
      abortIfDue(call);
    }
  }

  return {
    get size() {
      return calls.size;
    },
    soon(call, task) {
      turns.run(calls, () => {
        if (!calls.has(call)) return false;
        task();
        return true;
      });
    },
    add(call) {
      calls.add(call);
      abortIfDue(call);
    },
    delete(call) {
      calls.delete(call);
    },
    drain() {
      enter("draining");
    },
    abort() {
      enter("aborting");
    },
  };
}
