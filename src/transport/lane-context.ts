import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";

/**
 * Connect's context of a handler, of which each part is made when it is asked for: to make all of
 * them costs more than to serve the call.
 */
export class LaneContext implements HandlerContext {
  readonly requestMethod = "POST";
  readonly protocolName = "grpc";
  readonly method: DescMethodUnary;
  readonly #call: { readonly signal: AbortSignal };
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #deadline: number;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor(
    call: { readonly signal: AbortSignal },
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    method: DescMethodUnary,
    timeoutMs: number,
  ) {
    this.#call = call;
    this.#stream = stream;
    this.#headers = headers;
    this.method = method;
    this.#deadline = performance.now() + timeoutMs;
  }

  /** What the handler has added to the response; undefined if it did not look at it. */
  get added(): { header: Headers | undefined; trailer: Headers | undefined } {
    return { header: this.#responseHeader, trailer: this.#responseTrailer };
  }

  get service() {
    return this.method.parent;
  }

  get url() {
    const headers = this.#headers;
    const scheme = this.#stream.session?.encrypted === true ? "https" : "http";
    const authority = headers[":authority"] ?? headers.host;
    return new URL(`${scheme}://${authority}${headers[":path"]}`).toString();
  }

  get signal() {
    return this.#call.signal;
  }

  get timeoutMs() {
    return () => this.#deadline - performance.now();
  }

  get requestHeader() {
    this.#requestHeader ??= toWebHeaders(this.#headers);
    return this.#requestHeader;
  }

  get responseHeader() {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer() {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  get values() {
    this.#values ??= createContextValues();
    return this.#values;
  }
}

/** The whole context in properties of its own, for Connect's interceptors, which copy it. */
export function copyOf(context: HandlerContext): HandlerContext {
  return {
    method: context.method,
    service: context.service,
    url: context.url,
    requestMethod: context.requestMethod,
    protocolName: context.protocolName,
    signal: context.signal,
    timeoutMs: context.timeoutMs,
    requestHeader: context.requestHeader,
    responseHeader: context.responseHeader,
    responseTrailer: context.responseTrailer,
    values: context.values,
  };
}

function toWebHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) result.append(name, one);
  }
  return result;
}
