import type { DescMethodUnary } from "@bufbuild/protobuf";
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import type { Cancellation } from "./cancellation.ts";
import { limitDeadline } from "./deadline.ts";
import type { Stream } from "./http2/stream.ts";
import { clientOf } from "./http2-client.ts";
import { joinHeaders, toFetchHeaders } from "./request-headers.ts";
import type { UnaryRequest } from "./unary-request.ts";
import { urlAuthority } from "./url-authority.ts";

/** The trailers of a call that succeeds. */
export const okTrailers = Object.freeze({ "grpc-status": "0" });

/** What the context has from its call. */
interface Call {
  /** When the headers arrived, by performance.now(). */
  readonly arrivedAt: number;
  readonly signal: AbortSignal;
  readonly cancellation: Cancellation;
  readonly values: ContextValues;
}

/**
 * Connect's HandlerContext. Each part is created when it is first read: creating all of them costs
 * more than serving the call.
 */
export class UnaryContext implements HandlerContext {
  readonly requestMethod = "POST";
  readonly protocolName = "grpc";
  readonly method: DescMethodUnary;
  readonly #call: Call;
  readonly #stream: Stream;
  readonly #request: UnaryRequest;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;

  constructor(call: Call, stream: Stream, request: UnaryRequest) {
    this.#call = call;
    this.#stream = stream;
    this.#request = request;
    this.method = request.method.method;
  }

  /** The response's metadata, which the handler may have changed; undefined if it never read it. */
  get accessed(): { header: Headers | undefined; trailer: Headers | undefined } {
    return { header: this.#responseHeader, trailer: this.#responseTrailer };
  }

  get service() {
    return this.method.parent;
  }

  get url() {
    const { path, authority } = this.#request.head;
    const scheme = clientOf(this.#stream).encrypted ? "https" : "http";
    return new URL(path, `${scheme}://${urlAuthority(authority)}`).toString();
  }

  get signal() {
    return this.#call.signal;
  }

  /** For handlers that know it: it costs less than the signal, which is created when it is read. */
  get cancellation() {
    return this.#call.cancellation;
  }

  get timeoutMs() {
    const { arrivedAt } = this.#call;
    const { timeoutMs } = this.#request;
    return () => arrivedAt + timeoutMs - performance.now();
  }

  get requestHeader() {
    if (this.#requestHeader === undefined) {
      this.#requestHeader = toFetchHeaders(joinHeaders(this.#request.headers.raw));
      limitDeadline(this.#requestHeader, this.#request.timeoutMs);
    }
    return this.#requestHeader;
  }

  get responseHeader() {
    this.#responseHeader ??= new Headers(this.#request.response.headers);
    return this.#responseHeader;
  }

  get responseTrailer() {
    this.#responseTrailer ??= new Headers(okTrailers);
    return this.#responseTrailer;
  }

  get values() {
    return this.#call.values;
  }
}

/**
 * The context with plain properties instead of getters. Connect's interceptors need it: they copy
 * the context's own properties.
 */
export function copyContext(context: HandlerContext): HandlerContext {
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
