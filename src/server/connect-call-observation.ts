import type { IncomingHttpHeaders } from "node:http";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextKey,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import type { MethodMeter } from "./call-meter.ts";
import { type CallObserver, requestIdFrom, requestIdHeader } from "./call-observer.ts";
import type { CallSpan } from "./call-tracer.ts";
import type { Exchange } from "./exchange.ts";
import { bodyOf, changeTrailer, changeWebTrailer, replaceEndStream } from "./response-body.ts";

/** What interceptors or handler threw, with the cause that the response does not have. */
const thrownKey = createContextKey<unknown>(undefined, { description: "what the call threw" });

/** Keeps what a call throws for its observation. It must be the outermost interceptor. */
export const keepThrown: Interceptor = (next) => async (req) => {
  try {
    const response = await next(req);
    if (!response.stream) return response;
    return { ...response, message: keepThrownBy(response.message, req.contextValues) };
  } catch (error) {
    req.contextValues.set(thrownKey, error);
    throw error;
  }
};

async function* keepThrownBy<T>(messages: AsyncIterable<T>, values: ContextValues) {
  try {
    yield* messages;
  } catch (error) {
    values.set(thrownKey, error);
    throw error;
  }
}

/** Who wants to know of a call. */
export interface CallWatchers {
  readonly observer: CallObserver;
  readonly meter: MethodMeter | undefined;
  readonly span: CallSpan | undefined;
}

/**
 * Observes a call that Connect serves. Connect also fails calls that reach no handler, so the failure
 * is read from the response, which gets the request id at the same time.
 */
export class ConnectCallObservation {
  /** For the call's context. */
  readonly values = createContextValues();
  readonly #observer: CallObserver;
  readonly #meter: MethodMeter | undefined;
  readonly #span: CallSpan | undefined;
  readonly #rpc: string;
  readonly #headers: IncomingHttpHeaders;
  readonly #arrivedAt: number;
  readonly #requestId: string;
  #failure: ConnectError | undefined;

  constructor(
    { observer, meter, span }: CallWatchers,
    rpc: string,
    { headers, arrivedAt }: Pick<Exchange, "headers" | "arrivedAt">,
  ) {
    this.#observer = observer;
    this.#meter = meter;
    this.#span = span;
    this.#rpc = rpc;
    this.#headers = headers;
    this.#arrivedAt = arrivedAt;
    this.#requestId = requestIdFrom(headers[requestIdHeader]);
  }

  /** The call is refused before anything can throw the refusal. */
  refused(refusal: ConnectError): void {
    this.values.set(thrownKey, refusal);
  }

  /** Returns the response with the request id. */
  async observe(response: UniversalServerResponse): Promise<UniversalServerResponse> {
    const header = new Headers(response.header);
    if (this.#headers[requestIdHeader] !== undefined || this.#observer.observesSuccess) {
      header.set(requestIdHeader, this.#requestId);
    }
    const { status, body, trailer } = response;
    if (status >= 400) return this.#observeRefusal(response, header);
    if (body === undefined) return { ...response, header };
    const contentType = header.get("content-type") ?? "";
    const failWith = (complete: Headers) => this.#failWithTrailer(complete, header);
    if (trailer !== undefined) {
      return { ...response, header, body: changeTrailer(body, trailer, failWith) };
    }
    if (contentType.startsWith("application/grpc-web")) {
      return { ...response, header, body: changeWebTrailer(body, failWith) };
    }
    if (contentType.startsWith("application/connect+")) {
      // Whether a stream fails is known too late for its headers.
      header.set(requestIdHeader, this.#requestId);
      const observed = replaceEndStream(body, ({ error }) => {
        this.#failure = this.#withCause(error);
        return undefined;
      });
      return { ...response, header, body: observed };
    }
    return { ...response, header };
  }

  /** Reports a call whose end is no failure, whatever status it has. */
  endAsIntended(): void {
    this.#failure = undefined;
    this.end(undefined);
  }

  /**
   * Reports how the call ended to all who want to know.
   *
   * @param unfinished why it has no complete response; undefined if it has
   */
  end(unfinished: ConnectError | undefined): void {
    const error = unfinished ?? this.#failure;
    const durationMs = performance.now() - this.#arrivedAt;
    this.#meter?.ended(error?.code, durationMs);
    this.#span?.end(error, this.values);
    if (error === undefined && !this.#observer.observesSuccess) return;
    this.#observer.callEnded({
      rpc: this.#rpc,
      requestId: this.#requestId,
      error,
      durationMs,
      values: this.values,
    });
  }

  /** A failure of a unary call of Connect, or an HTTP status without more. */
  async #observeRefusal(
    response: UniversalServerResponse,
    header: Headers,
  ): Promise<UniversalServerResponse> {
    const bytes = Buffer.concat(await Array.fromAsync(response.body ?? []));
    const refusal = new ConnectError(`HTTP status ${response.status}`, Code.InvalidArgument);
    header.set(requestIdHeader, this.#requestId);
    this.#failure = this.#withCause(errorIn(bytes, refusal));
    return { ...response, header, ...(response.body && { body: bodyOf(bytes) }) };
  }

  #failWithTrailer(trailer: Headers, header: Headers): void {
    const error = findTrailerError(trailer);
    if (error === undefined) return;
    trailer.set(requestIdHeader, this.#requestId);
    // The headers are sent with the first bytes of the body. Many clients join headers and trailers.
    header.delete(requestIdHeader);
    this.#failure = this.#withCause(error);
  }

  /** What was thrown, instead of what became of it on the wire. */
  #withCause(error: ConnectError | undefined): ConnectError | undefined {
    const thrown = this.values.get(thrownKey);
    if (error === undefined || thrown === undefined) return error;
    if (thrown instanceof ConnectError && thrown.code === error.code) return thrown;
    return new ConnectError(error.rawMessage, error.code, undefined, undefined, thrown);
  }
}

function errorIn(bytes: Uint8Array, fallback: ConnectError): ConnectError {
  try {
    return errorFromJsonBytes(bytes, undefined, fallback);
  } catch {
    return fallback;
  }
}
