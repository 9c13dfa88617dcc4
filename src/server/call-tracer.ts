import type { ConnectError, ContextValues } from "@connectrpc/connect";
import type { Peer } from "./peer.ts";

/** A call that begins, as its headers describe it. */
export interface TracedCall {
  /** `package.Service/Method` of a method that exists. */
  readonly rpc: string;
  /** Connect's protocol, or gRPC and gRPC-Web. */
  readonly protocol: "grpc" | "connectrpc";
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
  /** By performance.now(). */
  readonly arrivedAt: number;
}

/** The span of a call. */
export interface CallSpan {
  /** Runs the call's handler in the span's context, and returns what it returns. */
  run<T>(work: () => T): T;
  /**
   * Called once.
   *
   * @param error as in ObservedCall
   * @param values as in ObservedCall
   */
  end(error: ConnectError | undefined, values: ContextValues | undefined): void;
}

/** Makes spans of calls. It must not throw. */
export interface CallTracer {
  /** Returns undefined for a call that gets no span. */
  start(call: TracedCall): CallSpan | undefined;
}
