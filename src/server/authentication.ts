import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextKey,
  type ContextValues,
  createContextKey,
  type Interceptor,
} from "@connectrpc/connect";
import type { Peer } from "./peer.ts";

/** What there is to tell who makes a call. */
export interface CallCredentials {
  readonly method: DescMethod;
  /** Names and values in turn, as received: repeated headers are not joined or dropped. */
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
}

/** Decides who makes a call, and whether they may. */
export interface Authentication<T = unknown> {
  /**
   * Called for each call before its message is decoded, and once more for a call that the fast path
   * hands to Connect. A promise is awaited within the call's deadline; a result that is no promise
   * costs less.
   *
   * @returns what handlers and the observer find by `contextKey`; undefined adds nothing
   * @throws {ConnectError} to refuse the call
   */
  authenticate(call: CallCredentials): T | Promise<T>;
  readonly contextKey: ContextKey<T>;
}

/** What a failed authentication refuses the call with. Anything but a ConnectError is a defect. */
export function toRefusal(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}

const refusalKey = createContextKey<ConnectError | undefined>(undefined, {
  description: "why the caller is refused",
});

/** Makes `throwRefusal` fail the call with these values. */
export function refuse(values: ContextValues, refusal: ConnectError): void {
  values.set(refusalKey, refusal);
}

/** Keeps a refused streaming call, whose messages are read by its handler, from the handler. */
export const throwRefusal: Interceptor = (next) => (req) => {
  const refusal = req.contextValues.get(refusalKey);
  return refusal === undefined ? next(req) : Promise.reject(refusal);
};
