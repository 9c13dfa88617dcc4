import type { IncomingHttpHeaders } from "node:http2";
import type { UnaryMethod } from "./unary-method.ts";

/** What the headers of a call say. */
export interface UnaryRequest {
  readonly headers: IncomingHttpHeaders;
  readonly method: UnaryMethod;
  /** By performance.now(). */
  readonly arrivedAt: number;
  readonly timeoutMs: number;
  readonly responseHeaders: Readonly<Record<string, string>>;
  /** The same and :status as names and values in turn, the form that costs Node the least. */
  readonly rawResponseHeaders: readonly string[];
}
