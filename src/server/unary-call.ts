import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import { headerGrpcMessage, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { Authentication } from "./authentication.ts";
import { type CallObserver, requestIdFrom, requestIdHeader } from "./call-observer.ts";
import type { CallSpan, CallTracer } from "./call-tracer.ts";
import { malformedRequest } from "./decode-failures.ts";
import { prefixBytes } from "./envelope-encoder.ts";
import type { FairTurns } from "./fair-turns.ts";
import { encodeGrpcMessage } from "./grpc-message.ts";
import { ErrorCode } from "./http2/frames.ts";
import type { EncodedHeaders } from "./http2/hpack-encoder.ts";
import type { Stream, StreamReceiver } from "./http2/stream.ts";
import { clientOf } from "./http2-client.ts";
import type { ReceivedBody } from "./http2-exchange.ts";
import { InFlightCall } from "./in-flight-call.ts";
import type { InFlightCalls } from "./in-flight-calls.ts";
import { isWholeMessage, MessageParts } from "./message-parts.ts";
import type { DecodeErrorFactory } from "./request-errors.ts";
import { encodeResponseHeaders, encodeTrailers } from "./response-headers.ts";
import { okTrailers, UnaryContext } from "./unary-context.ts";
import type { UnaryRequest } from "./unary-request.ts";

/**
 * Serves a request over HTTP/2 whose headers arrived at `arrivedAt`, by performance.now(). It sets the
 * stream's receiver.
 */
export type StreamHandler = (stream: Stream, arrivedAt: number, received?: ReceivedBody) => void;

/** What all calls of a server share. */
export interface UnaryCallOptions {
  readonly calls: InFlightCalls;
  /** Where messages wait if very many come at once. */
  readonly turns: FairTurns;
  readonly maxMessageBytes: number;
  readonly decodeError: DecodeErrorFactory;
  /** Serves what the fast path does not. */
  readonly fallback: StreamHandler;
  /** Called with failures that the client sees only as "internal error" or as a reset. */
  readonly onError: (error: unknown, where: string) => void;
  readonly observer?: CallObserver | undefined;
  readonly tracer?: CallTracer | undefined;
  readonly authentication?: Authentication | undefined;
}

const encodedOkTrailers = encodeTrailers(Object.entries(okTrailers));

/** One unary gRPC call: reads the message, calls the handler and sends one response. */
export class UnaryCall extends InFlightCall implements StreamReceiver {
  /** When the headers arrived, by performance.now(). */
  readonly arrivedAt: number;
  readonly #options: UnaryCallOptions;
  readonly #stream: Stream;
  readonly #request: UnaryRequest;
  /** The turn that has counted the call. */
  readonly #begunIn: number;
  /** Undefined if the message comes whole. */
  #parts: MessageParts | undefined;
  #context: UnaryContext | undefined;
  /** Whether the response was sent, the fallback has taken over, or the stream was closed. */
  #settled = false;
  #requestId: string | undefined;
  #identity: unknown;
  /** Resolves, also for a refusal, once it is known who makes the call. Undefined if it is known. */
  #authenticating: Promise<void> | undefined;
  #values: ContextValues | undefined;
  #span: CallSpan | undefined;

  constructor(options: UnaryCallOptions, stream: Stream, request: UnaryRequest, arrivedAt: number) {
    super(options.calls, false);
    this.#options = options;
    this.#stream = stream;
    this.#request = request;
    this.arrivedAt = arrivedAt;
    this.#begunIn = options.turns.current;
  }

  serve(): void {
    this.begin(this.#request.timeoutMs, this.arrivedAt);
    if (!this.#settled) this.#authenticate();
    this.#stream.receiver = this;
  }

  /** The context's values. Created when they are first read: most calls need none. */
  get values(): ContextValues {
    if (this.#values === undefined) {
      this.#values = createContextValues();
      const key = this.#options.authentication?.contextKey;
      if (key !== undefined && this.#identity !== undefined) this.#values.set(key, this.#identity);
    }
    return this.#values;
  }

  #authenticate(): void {
    const { authentication } = this.#options;
    if (authentication === undefined) return;
    const { method, headers } = this.#request;
    const { peer } = clientOf(this.#stream);
    try {
      const identity = authentication.authenticate({
        method: method.method,
        rawHeaders: headers.raw,
        peer,
      });
      if (!(identity instanceof Promise)) {
        this.#identity = identity;
        return;
      }
      this.#authenticating = identity.then(
        (known) => {
          this.#identity = known;
        },
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  protected override destroy(): void {
    this.#stream.reset(ErrorCode.INTERNAL_ERROR);
  }

  /** Fails the call, unless it is with the interceptors: they decide how it ends. */
  protected override onAbort(reason: ConnectError): void {
    const withInterceptors = this.#context !== undefined && this.#request.method.intercepted;
    if (!withInterceptors) this.#fail(reason);
  }

  onData(buffer: Buffer, start: number, end: number, last: boolean): void {
    const length = end - start;
    // What comes after the response is dropped.
    if (this.#settled) {
      this.#stream.consume(length);
      return;
    }
    const { maxMessageBytes } = this.#options;
    if (last && this.#parts === undefined && isWholeMessage(buffer, start, end, maxMessageBytes)) {
      // As nearly always. A copy, because decoded messages may refer to the bytes.
      const message = Buffer.allocUnsafe(length - prefixBytes);
      buffer.copy(message, 0, start + prefixBytes, end);
      // Now, and not with the response: calls that wait must not take the connection's window from others.
      this.#stream.consume(length);
      void this.#handle(message);
      return;
    }
    this.#parts ??= new MessageParts(maxMessageBytes);
    const unsupported = this.#parts.add(buffer.subarray(start, end));
    if (unsupported !== undefined) {
      this.#fallBack(unsupported, last);
      return;
    }
    this.#stream.consume(length);
    if (last) this.#onEnd(this.#parts);
  }

  /** Lets the fallback serve the call, with what has been received. */
  #fallBack(bytes: Buffer, whole: boolean): void {
    this.#settled = true;
    this.end();
    this.#options.fallback(this.#stream, this.arrivedAt, { bytes, whole });
  }

  #onEnd(parts: MessageParts): void {
    let message: Buffer;
    try {
      message = parts.end();
    } catch (error) {
      this.#fail(error);
      return;
    }
    void this.#handle(message);
  }

  onClose(): void {
    this.end();
    if (this.#settled) return;
    this.#settled = true;
    const error = new ConnectError("the client has gone away", Code.Canceled);
    this.abort(error);
    this.#ended(error);
  }

  async #handle(bytes: Buffer): Promise<void> {
    if (this.#authenticating !== undefined) await this.#authenticating;
    if (!this.#options.turns.resume(this.#begunIn)) await this.#waitForTurn();
    if (this.#settled) return;
    const { method } = this.#request;
    let message: MessageShape<DescMessage>;
    try {
      message = method.input.parse(bytes);
    } catch {
      this.#fail(this.#options.decodeError(malformedRequest));
      return;
    }
    try {
      this.#context = new UnaryContext(this, this.#stream, this.#request);
      const response = await this.#invoke(message, this.#context);
      this.#succeed(method.encode(response));
    } catch (error) {
      if (!(error instanceof ConnectError)) this.#options.onError(error, method.method.name);
      this.#fail(error);
    }
  }

  #invoke(message: MessageShape<DescMessage>, context: UnaryContext): unknown {
    const { method } = this.#request;
    if (this.#options.tracer === undefined) return method.invoke(message, context);
    this.#span = this.#startSpan(this.#options.tracer);
    return this.#span === undefined
      ? method.invoke(message, context)
      : this.#span.run(() => method.invoke(message, context));
  }

  /** A call that the fallback serves must have none of this, and only its message tells which one does. */
  #startSpan(tracer: CallTracer): CallSpan | undefined {
    return tracer.start({
      rpc: this.#request.head.path.slice(1),
      protocol: "grpc",
      rawHeaders: this.#request.headers.raw,
      peer: clientOf(this.#stream).peer,
      arrivedAt: this.arrivedAt,
    });
  }

  #waitForTurn(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.turns.wait(this.#stream.connection, () => {
        resolve();
        return !this.#settled;
      });
    });
  }

  #succeed(body: Buffer): void {
    if (this.#settled) return;
    this.#settled = true;
    const trailer = this.#context?.accessed.trailer;
    let failure: ConnectError | undefined;
    try {
      const trailers = trailer === undefined ? encodedOkTrailers : encodeTrailers(trailer);
      this.#stream.respond(this.#responseHeaders(), body, trailers);
    } catch (error) {
      this.#onSendFailure(error);
      failure = internalError(error);
    }
    this.#ended(failure);
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    let status = error instanceof ConnectError ? error : internalError(error);
    let trailers: Headers;
    try {
      trailers = this.#statusTrailers(status);
    } catch (encodingError) {
      this.#options.onError(encodingError, this.#request.method.method.name);
      status = internalError(encodingError);
      trailers = this.#statusTrailers(status);
    }
    this.#settled = true;
    this.#respondTrailersOnly(trailers);
    this.#ended(status);
  }

  #statusTrailers(status: ConnectError): Headers {
    const trailers = setTrailerStatus(new Headers(this.#context?.accessed.trailer), status);
    trailers.set(headerGrpcMessage, encodeGrpcMessage(status.rawMessage));
    if (this.#options.observer !== undefined) trailers.set(requestIdHeader, this.#getRequestId());
    return trailers;
  }

  #getRequestId(): string {
    this.#requestId ??= requestIdFrom(this.#request.requestId);
    return this.#requestId;
  }

  /** Tells everyone who wants to know how the call has ended. */
  #ended(error: ConnectError | undefined): void {
    const { observer, tracer } = this.#options;
    const { meter } = this.#request.method;
    const observed = observer !== undefined && (error !== undefined || observer.observesSuccess);
    if (!observed && meter === undefined && tracer === undefined) return;
    const durationMs = performance.now() - this.arrivedAt;
    meter?.ended(error?.code, durationMs);
    if (!observed && tracer === undefined) return;
    const values = this.#identity === undefined ? this.#values : this.values;
    if (tracer !== undefined) {
      // A call that is refused before its handler runs has a span, too.
      this.#span ??= this.#startSpan(tracer);
      this.#span?.end(error, values);
    }
    if (!observed) return;
    observer.callEnded({
      rpc: this.#request.head.path.slice(1),
      requestId: this.#getRequestId(),
      error,
      durationMs,
      values,
    });
  }

  /** Headers and trailers in one frame: see joinTrailers. */
  #respondTrailersOnly(trailers: Headers): void {
    const { headers } = this.#request.response;
    const joined = new Headers(this.#context?.accessed.header ?? headers);
    for (const name of trailers.keys()) joined.delete(name);
    for (const [name, value] of trailers) joined.append(name, value);
    try {
      this.#stream.respond(encodeResponseHeaders(200, joined));
    } catch (error) {
      this.#onSendFailure(error);
    }
  }

  #responseHeaders(): EncodedHeaders {
    const { headers, encoded } = this.#request.response;
    const header = this.#context?.accessed.header;
    const requestId = this.#requestIdOfHeaders();
    if (header === undefined && requestId === undefined) return encoded;
    const fields = new Headers(header ?? headers);
    if (requestId !== undefined) fields.set(requestIdHeader, requestId);
    return encodeResponseHeaders(200, fields);
  }

  /** The request id for the headers of a successful response, if they have it: see requestIdHeader. */
  #requestIdOfHeaders(): string | undefined {
    const { observer } = this.#options;
    if (observer === undefined) return undefined;
    const wanted = observer.observesSuccess || this.#request.requestId !== undefined;
    return wanted ? this.#getRequestId() : undefined;
  }

  /** A handler may set headers that HTTP/2 forbids. That ends its call and nothing else. */
  #onSendFailure(error: unknown): void {
    this.#options.onError(error, `response of ${this.#request.method.method.name}`);
    this.destroy();
  }
}

function internalError(cause: unknown): ConnectError {
  return new ConnectError("internal error", Code.Internal, undefined, undefined, cause);
}
