import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import { headerGrpcMessage, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { Authentication } from "./authentication.ts";
import { type CallObserver, requestIdFrom, requestIdHeader } from "./call-observer.ts";
import { malformedRequest } from "./decode-failures.ts";
import { prefixBytes } from "./envelope-encoder.ts";
import { encodeGrpcMessage } from "./grpc-message.ts";
import type { StreamHandler } from "./header-limits.ts";
import { closeUnreadStream } from "./http2-streams.ts";
import { InFlightCall } from "./in-flight-call.ts";
import type { InFlightCalls } from "./in-flight-calls.ts";
import { peerOfSession } from "./peer.ts";
import type { DecodeErrorFactory } from "./request-errors.ts";
import { okTrailers, UnaryContext } from "./unary-context.ts";
import type { UnaryRequest } from "./unary-request.ts";

/** What all calls of a server share. */
export interface UnaryCallOptions {
  readonly calls: InFlightCalls;
  readonly maxMessageBytes: number;
  readonly decodeError: DecodeErrorFactory;
  /** Serves what the fast path does not. It gets the stream with the whole body still unread. */
  readonly fallback: StreamHandler;
  /** Called with failures that the client sees only as "internal error" or as a reset. */
  readonly onError: (error: unknown, where: string) => void;
  readonly observer?: CallObserver | undefined;
  readonly authentication?: Authentication | undefined;
}

const compressedFlag = 1;

const minReservedBytes = 1024;

/** One unary gRPC call: reads the message, calls the handler and sends one response. */
export class UnaryCall extends InFlightCall {
  readonly #options: UnaryCallOptions;
  readonly #stream: ServerHttp2Stream;
  readonly #request: UnaryRequest;
  /** The bytes received, and once the prefix is complete room for more of `#expected`. */
  #buffer: Buffer | undefined;
  /** How many bytes of `#buffer` have been received. */
  #received = 0;
  /** Bytes of prefix and message, once the prefix is complete; 0 if the fallback has to serve. */
  #expected: number | undefined;
  #context: UnaryContext | undefined;
  #trailers: OutgoingHttpHeaders = okTrailers;
  /** Whether the response was sent, the fallback has taken over, or the stream was closed. */
  #settled = false;
  #requestId: string | undefined;
  #identity: unknown;
  /** Resolves, also for a refusal, once it is known who makes the call. Undefined if it is known. */
  #authenticating: Promise<void> | undefined;
  #values: ContextValues | undefined;

  constructor(options: UnaryCallOptions, stream: ServerHttp2Stream, request: UnaryRequest) {
    super(options.calls, false);
    this.#options = options;
    this.#stream = stream;
    this.#request = request;
  }

  serve(): void {
    const stream = this.#stream;
    stream.on("readable", this.#onReadable);
    stream.on("end", this.#onEnd);
    stream.on("close", this.#onClose);
    this.begin(this.#request.timeoutMs);
    if (!this.#settled) this.#authenticate();
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
    const { method, rawHeaders } = this.#request;
    const peer = peerOfSession(this.#stream.session);
    try {
      const identity = authentication.authenticate({ method: method.method, rawHeaders, peer });
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
    this.#stream.destroy();
  }

  /** Fails the call, unless it is with the interceptors: they decide how it ends. */
  protected override onAbort(reason: ConnectError): void {
    const withInterceptors = this.#context !== undefined && this.#request.method.intercepted;
    if (!withInterceptors) this.#fail(reason);
  }

  readonly #onReadable = (): void => {
    const stream = this.#stream;
    for (let chunk: Buffer = stream.read(); chunk !== null; chunk = stream.read()) {
      // What comes after the response is read and dropped.
      if (this.#settled) continue;
      const unsupported =
        this.#expected === undefined ? this.#readPrefix(chunk) : this.#readMessage(chunk);
      if (unsupported !== undefined) {
        this.#fallBack(unsupported);
        return;
      }
    }
  };

  /** Returns all bytes received so far if the fallback has to serve the call. */
  #readPrefix(chunk: Buffer): Buffer | undefined {
    const received = this.#buffer === undefined ? chunk : Buffer.concat([this.#buffer, chunk]);
    this.#buffer = received;
    this.#received = received.length;
    if (received.length < prefixBytes) return undefined;
    const length = received.readUInt32BE(1);
    const compressed = ((received[0] as number) & compressedFlag) !== 0;
    const tooLong = length > this.#options.maxMessageBytes;
    this.#expected = compressed || tooLong ? 0 : prefixBytes + length;
    if (received.length > this.#expected) return received;
    if (received.length < this.#expected) this.#reserve(received.length);
    return undefined;
  }

  /** Returns all bytes received so far if there are more than one message has. */
  #readMessage(chunk: Buffer): Buffer | undefined {
    const buffer = this.#buffer as Buffer;
    const received = this.#received + chunk.length;
    if (received > (this.#expected as number)) {
      return Buffer.concat([buffer.subarray(0, this.#received), chunk]);
    }
    if (received > buffer.length) this.#reserve(received);
    chunk.copy(this.#buffer as Buffer, this.#received);
    this.#received = received;
    return undefined;
  }

  /**
   * Makes room for twice the bytes, but not for more than the message has. The client decides how many
   * chunks it sends, and a length that it only announces must not cost memory.
   */
  #reserve(bytes: number): void {
    const size = Math.max(2 * bytes, minReservedBytes);
    const larger = Buffer.allocUnsafe(Math.min(size, this.#expected as number));
    this.#buffer?.copy(larger, 0, 0, this.#received);
    this.#buffer = larger;
  }

  /** Puts the received bytes back, so that the fallback reads the body from its beginning. */
  #fallBack(received: Buffer): void {
    this.#settled = true;
    const stream = this.#stream;
    stream.off("readable", this.#onReadable);
    stream.off("end", this.#onEnd);
    stream.off("close", this.#onClose);
    this.end();
    stream.unshift(received);
    this.#options.fallback(stream, this.#request.headers, this.#request.rawHeaders);
  }

  readonly #onEnd = (): void => {
    if (this.#settled) return;
    const received = this.#buffer;
    // Connect, too, treats a prefix without its message as no message at all.
    const isOnlyPrefix = this.#received === prefixBytes && this.#expected !== prefixBytes;
    if (received === undefined || isOnlyPrefix) {
      const message = "protocol error: missing input message for unary method";
      this.#fail(new ConnectError(message, Code.Unimplemented));
    } else if (this.#received !== this.#expected) {
      this.#fail(new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument));
    } else {
      void this.#handle(received.subarray(prefixBytes));
    }
  };

  readonly #onClose = (): void => {
    this.end();
    if (this.#settled) return;
    this.#settled = true;
    const error = new ConnectError("the client has gone away", Code.Canceled);
    this.abort(error);
    this.#observe(error);
  };

  async #handle(bytes: Buffer): Promise<void> {
    if (this.#authenticating !== undefined) {
      await this.#authenticating;
      if (this.#settled) return;
    }
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
      const response = await method.invoke(message, this.#context);
      this.#succeed(method.encode(response));
    } catch (error) {
      if (!(error instanceof ConnectError)) this.#options.onError(error, method.method.name);
      this.#fail(error);
    }
  }

  #succeed(body: Buffer): void {
    if (this.#settled) return;
    const trailer = this.#context?.accessed.trailer;
    if (trailer !== undefined) this.#trailers = toNodeHeaders(trailer);
    this.#respond(body);
    if (this.#options.observer?.observesSuccess === true) this.#observe(undefined);
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
    this.#trailers = toNodeHeaders(trailers);
    this.#respondTrailersOnly();
    this.#observe(status);
  }

  #statusTrailers(status: ConnectError): Headers {
    const trailers = setTrailerStatus(new Headers(this.#context?.accessed.trailer), status);
    trailers.set(headerGrpcMessage, encodeGrpcMessage(status.rawMessage));
    if (this.#options.observer !== undefined) trailers.set(requestIdHeader, this.#getRequestId());
    return trailers;
  }

  #getRequestId(): string {
    this.#requestId ??= requestIdFrom(this.#request.headers[requestIdHeader]);
    return this.#requestId;
  }

  #observe(error: ConnectError | undefined): void {
    const { headers, arrivedAt } = this.#request;
    const values = this.#identity === undefined ? this.#values : this.values;
    this.#options.observer?.callEnded({
      rpc: (headers[":path"] as string).slice(1),
      requestId: this.#getRequestId(),
      error,
      durationMs: performance.now() - arrivedAt,
      values,
    });
  }

  /** Headers and trailers in one frame: see joinTrailers. */
  #respondTrailersOnly(): void {
    this.#settled = true;
    const stream = this.#stream;
    if (stream.closed || stream.destroyed) return;
    const headers = this.#responseHeaders();
    const trailers = this.#trailers;
    const joined = Array.isArray(headers)
      ? [...headers, ...Object.entries(trailers).flatMap(toRawHeaders)]
      : { ...headers, ...trailers };
    try {
      stream.respond(joined, { endStream: true });
    } catch (error) {
      this.#onSendFailure(error);
      return;
    }
    closeUnreadStream(stream);
  }

  #respond(body: Buffer): void {
    this.#settled = true;
    const stream = this.#stream;
    // It may be closed without having emitted "close" yet.
    if (stream.closed || stream.destroyed) return;
    stream.on("wantTrailers", () => {
      try {
        stream.sendTrailers(this.#trailers);
      } catch (error) {
        this.#onSendFailure(error);
      }
      closeUnreadStream(stream);
    });
    const headers = this.#responseHeaders();
    try {
      stream.respond(headers, { waitForTrailers: true });
      stream.end(body);
    } catch (error) {
      this.#onSendFailure(error);
    }
  }

  #responseHeaders(): OutgoingHttpHeaders | string[] {
    const header = this.#context?.accessed.header;
    const requestId = this.#requestIdOfHeaders();
    if (header !== undefined) {
      if (requestId !== undefined) header.set(requestIdHeader, requestId);
      return { ...toNodeHeaders(header), ":status": 200 };
    }
    // A copy, because Node adds the date to it.
    const headers = [...this.#request.rawResponseHeaders];
    if (requestId !== undefined) headers.push(requestIdHeader, requestId);
    return headers;
  }

  /** The request id for the response's headers, if they have it: see requestIdHeader. */
  #requestIdOfHeaders(): string | undefined {
    const { observer } = this.#options;
    const failed = this.#trailers[requestIdHeader] !== undefined;
    if (observer === undefined || failed) return undefined;
    const wanted = observer.observesSuccess || this.#request.headers[requestIdHeader] !== undefined;
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

function toRawHeaders([name, value]: [string, OutgoingHttpHeaders[string]]): string[] {
  return [value ?? []].flat().flatMap((single) => [name, String(single)]);
}

/** Headers joins repeated names with commas. Only cookies must stay separate. */
function toNodeHeaders(headers: Headers): OutgoingHttpHeaders {
  const cookies = headers.getSetCookie();
  return {
    ...Object.fromEntries(headers),
    ...(cookies.length > 0 && { "set-cookie": cookies }),
  };
}
