import { Code, ConnectError } from "@connectrpc/connect";

/** A call that is being served, from its headers until its response has left or failed. */
export interface TrackedCall {
  /** streaming calls have no natural end, so they are ended when the server drains. */
  readonly streaming: boolean;
  /** abort makes the handler's signal fire with this reason. */
  readonly abort: (reason: ConnectError) => void;
}

/**
 * The calls in flight, whichever protocol or handler serves them.
 *
 * Shutting down has two steps: `drain` ends the streaming calls and lets the unary ones finish,
 * `abort` ends what is left. A call that is added later meets the step that has been reached.
 */
export interface InFlightCalls {
  readonly size: number;
  add(call: TrackedCall): void;
  delete(call: TrackedCall): void;
  drain(): void;
  abort(): void;
}

export function createInFlightCalls(): InFlightCalls {
  const open = new Set<TrackedCall>();
  let stage: "serving" | "draining" | "aborting" = "serving";

  function endIfDue(call: TrackedCall): void {
    if (stage === "aborting" || (stage === "draining" && call.streaming)) {
      // UNAVAILABLE is the code that clients retry elsewhere.
      call.abort(new ConnectError("the server is shutting down", Code.Unavailable));
    }
  }

  function enter(next: typeof stage): void {
    stage = next;
    for (const call of [...open]) {
      endIfDue(call);
    }
  }

  return {
    get size() {
      return open.size;
    },
    add(call) {
      open.add(call);
      endIfDue(call);
    },
    delete(call) {
      open.delete(call);
    },
    drain() {
      enter("draining");
    },
    abort() {
      enter("aborting");
    },
  };
}
