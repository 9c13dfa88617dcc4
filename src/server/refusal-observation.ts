import type { IncomingHttpHeaders } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import type { MethodMeter } from "./call-meter.ts";
import { type CallObserver, requestIdFrom, requestIdHeader } from "./call-observer.ts";
import type { FixedResponse } from "./fixed-response.ts";

/** A request that no handler gets. */
export interface RefusedRequest {
  readonly headers: IncomingHttpHeaders;
  /** Its path; undefined if it is not known. */
  readonly url?: string | undefined;
}

/** Reports the request as a failed call, and returns the response with its request id. */
export type ObserveRefusal = (
  request: RefusedRequest,
  error: ConnectError,
  response: FixedResponse,
) => FixedResponse;

/**
 * @param methods the paths of the methods that exist: a caller must not choose names for the log
 * @param meterOf the meter of the method with this path, or of those that do not exist
 */
export function createRefusalObservation(
  observer: CallObserver | undefined,
  methods: { has(path: string): boolean },
  meterOf: (path: string) => MethodMeter | undefined,
): ObserveRefusal {
  if (observer === undefined) return (_request, _error, response) => response;
  return ({ headers, url = "" }, error, response) => {
    const path = url.split("?", 1)[0] ?? "";
    meterOf(path)?.ended(error.code, undefined);
    const requestId = requestIdFrom(headers[requestIdHeader]);
    observer.callEnded({
      rpc: methods.has(path) ? path.slice(1) : undefined,
      requestId,
      error,
      durationMs: 0,
      values: undefined,
    });
    return { ...response, headers: { ...response.headers, [requestIdHeader]: requestId } };
  };
}
