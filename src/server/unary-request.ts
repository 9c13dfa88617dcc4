import type { HeaderList } from "./http2/header-list.ts";
import type { EncodedHeaders } from "./http2/hpack-encoder.ts";
import type { RequestHead } from "./http2/request-head.ts";
import type { UnaryMethod } from "./unary-method.ts";

/** A unary call as its headers describe it, with the headers of its response. Calls share it. */
export interface UnaryRequest {
  readonly head: RequestHead;
  readonly headers: HeaderList;
  readonly method: UnaryMethod;
  readonly timeoutMs: number;
  /** What the client has sent as request id. */
  readonly requestId: string | undefined;
  readonly response: UnaryResponseHeaders;
}

export interface UnaryResponseHeaders {
  readonly headers: Readonly<Record<string, string>>;
  /** With the status 200. */
  readonly encoded: EncodedHeaders;
}
