import type { IncomingHttpHeaders } from "node:http2";
import type { UnaryMethod } from "./unary-method.ts";

/** A unary call as its headers describe it, with the headers of its response. */
export interface UnaryRequest {
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  readonly method: UnaryMethod;
  /** When the headers arrived, by performance.now(). */
  readonly arrivedAt: number;
  readonly timeoutMs: number;
  readonly responseHeaders: Readonly<Record<string, string>>;
  /** `:status` and `responseHeaders`, names and values in turn: the cheapest form for Node. */
  readonly rawResponseHeaders: readonly string[];
}
