import { randomUUID } from "node:crypto";
import type { ConnectError, ContextValues } from "@connectrpc/connect";

/** A call that has ended. */
export interface ObservedCall {
  /** `package.Service/Method`; undefined if there is no such method, or if it is not known. */
  readonly rpc: string | undefined;
  /** Visible ASCII, at most 128 characters. */
  readonly requestId: string;
  /**
   * Why the call failed; undefined if it succeeded. The client gets its code, message and details,
   * never its cause. If the client has gone away, the code is Canceled.
   */
  readonly error: ConnectError | undefined;
  /** From the arrival of the headers; 0 for a request that no handler gets. */
  readonly durationMs: number;
  /**
   * What authentication and handler have stored in its context; undefined if there is no identity and
   * the handler never read the values.
   */
  readonly values: ContextValues | undefined;
}

/** Learns how calls end. It must not throw. */
export interface CallObserver {
  /**
   * Whether it wants to know of successful calls too. Their responses then have a request id. Read
   * for each call, so it may change at any time.
   */
  readonly observesSuccess: boolean;
  callEnded(call: ObservedCall): void;
}

/**
 * The name of the header or trailer with a call's id. A client may choose the id. The response has it
 * - in the trailers if a gRPC call failed, or in the headers if a call of Connect did;
 * - in the headers of a successful call if the request had one, or if successful calls are observed.
 */
export const requestIdHeader = "x-request-id";

const usableId = /^[\x21-\x7e]{1,128}$/;

/** The id in the request's header, or a new one if there is none, several or an unusable one. */
export function requestIdFrom(header: string | string[] | undefined): string {
  return typeof header === "string" && usableId.test(header) ? header : randomUUID();
}
