import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { headerGrpcMessage, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { closeUnread } from "./connect-handler.ts";
import { type DecodeError, notAMessage, percentEncode } from "./decode-failures.ts";
import { prefixBytes } from "./envelope-encoder.ts";
import { InFlightCall } from "./in-flight-call.ts";
import type { InFlightCalls } from "./in-flight-calls.ts";
import { okTrailers, UnaryContext } from "./unary-context.ts";
import type { UnaryRequest } from "./unary-request.ts";

/** What all calls through a fast path have in common. */
export interface UnaryCallOptions {
  readonly calls: InFlightCalls;
  readonly maxMessageBytes: number;
  readonly decodeError: DecodeError;
  /** Serves what the fast path does not. The stream has lost nothing of its body. */
  readonly fallback: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
  /** Told of failures that the caller sees as "internal error" and nobody else would know. */
  readonly onError: (error: unknown, where: string) => void;
}

const compressedFlag = 1;

/** One unary call over gRPC: reads its message, has it handled, and answers once. */
export class UnaryCall extends InFlightCall {
  readonly #options: UnaryCallOptions;
  readonly #stream: ServerHttp2Stream;
  readonly #request: UnaryRequest;
  /** The prefix, as far as it has come; then room for all, of which `#filled` bytes are here. */
  #received: Buffer | undefined;
  #filled = 0;
  /** The bytes of prefix and message, once the prefix has told; 0 if Connect is to serve the call. */
  #expected: number | undefined;
  #context: UnaryContext | undefined;
  #trailers: OutgoingHttpHeaders = okTrailers;
  #answered = false;

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
  }

  protected override destroy(): void {
    this.#stream.destroy();
  }

  /** Interceptors see the deadline go by, and what they make of it is the answer. */
  protected override onAbort(reason: ConnectError): void {
    const withInterceptors = this.#context !== undefined && this.#request.method.intercepted;
    if (!withInterceptors) this.#fail(reason);
  }

  readonly #onReadable = (): void => {
    const stream = this.#stream;
    for (let chunk: Buffer = stream.read(); chunk !== null; chunk = stream.read()) {
      // Nobody looks at what comes after the answer.
      if (this.#answered) continue;
      const surplus = this.#expected === undefined ? this.#takePrefix(chunk) : this.#take(chunk);
      if (surplus !== undefined) {
        this.#leaveToConnect(surplus);
        return;
      }
    }
  };

  /** Returns all that has come if it is not for the fast path. */
  #takePrefix(chunk: Buffer): Buffer | undefined {
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = received;
    this.#filled = received.length;
    if (received.length < prefixBytes) return undefined;
    const length = received.readUInt32BE(1);
    const compressed = ((received[0] as number) & compressedFlag) !== 0;
    const tooLong = length > this.#options.maxMessageBytes;
    this.#expected = compressed || tooLong ? 0 : prefixBytes + length;
    if (received.length > this.#expected) return received;
    if (received.length < this.#expected) {
      // Room for all at once: the client chooses how many chunks it sends.
      this.#received = Buffer.allocUnsafe(this.#expected);
      received.copy(this.#received);
    }
    return undefined;
  }

  #take(chunk: Buffer): Buffer | undefined {
    const received = this.#received as Buffer;
    if (this.#filled + chunk.length > received.length) {
      return Buffer.concat([received.subarray(0, this.#filled), chunk]);
    }
    chunk.copy(received, this.#filled);
    this.#filled += chunk.length;
    return undefined;
  }

  /** Connect judges of what is not one message as it should be, and sees it from the beginning. */
  #leaveToConnect(received: Buffer): void {
    this.#answered = true;
    const stream = this.#stream;
    stream.off("readable", this.#onReadable);
    stream.off("end", this.#onEnd);
    stream.off("close", this.#onClose);
    this.end();
    stream.unshift(received);
    this.#options.fallback(stream, this.#request.headers);
  }

  readonly #onEnd = (): void => {
    if (this.#answered) return;
    const received = this.#received;
    // Connect takes a prefix without its message for none, too.
    const isOnlyPrefix = this.#filled === prefixBytes && this.#expected !== prefixBytes;
    if (received === undefined || isOnlyPrefix) {
      const message = "protocol error: missing input message for unary method";
      this.#fail(new ConnectError(message, Code.Unimplemented));
    } else if (this.#filled !== this.#expected) {
      this.#fail(new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument));
    } else {
      void this.#handle(received.subarray(prefixBytes));
    }
  };

  readonly #onClose = (): void => {
    this.end();
    if (this.#answered) return;
    this.#answered = true;
    this.abort(new ConnectError("the client has gone away", Code.Canceled));
  };

  async #handle(bytes: Buffer): Promise<void> {
    const { method } = this.#request;
    let message: MessageShape<DescMessage>;
    try {
      message = method.input.parse(bytes);
    } catch {
      this.#fail(this.#options.decodeError(notAMessage));
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
    if (this.#answered) return;
    const changed = this.#context?.changed.trailer;
    if (changed !== undefined) this.#trailers = toNodeHeaders(changed);
    this.#respond(body);
  }

  #fail(error: unknown): void {
    if (this.#answered) return;
    const status = error instanceof ConnectError ? error : internalError();
    let trailers: Headers;
    try {
      trailers = this.#statusTrailers(status);
    } catch (unencodable) {
      this.#options.onError(unencodable, this.#request.method.method.name);
      trailers = this.#statusTrailers(internalError());
    }
    this.#trailers = toNodeHeaders(trailers);
    this.#respond();
  }

  #statusTrailers(status: ConnectError): Headers {
    const trailers = setTrailerStatus(new Headers(this.#context?.changed.trailer), status);
    trailers.set(headerGrpcMessage, percentEncode(status.rawMessage));
    return trailers;
  }

  #respond(body?: Buffer): void {
    this.#answered = true;
    const stream = this.#stream;
    // It may have gone, and not have said so yet.
    if (stream.closed || stream.destroyed) return;
    stream.on("wantTrailers", () => {
      try {
        stream.sendTrailers(this.#trailers);
      } catch (error) {
        this.#cannotSend(error);
      }
      closeUnread(stream);
    });
    const changed = this.#context?.changed.header;
    const headers = changed
      ? { ...toNodeHeaders(changed), ":status": 200 }
      : // A copy, for Node adds the date to it.
        [...this.#request.rawResponseHeaders];
    try {
      stream.respond(headers, { waitForTrailers: true });
      stream.end(body);
    } catch (error) {
      this.#cannotSend(error);
    }
  }

  /** A handler may have set what HTTP/2 cannot send. That ends its call, and nothing else. */
  #cannotSend(error: unknown): void {
    this.#options.onError(error, `response of ${this.#request.method.method.name}`);
    this.destroy();
  }
}

function internalError(): ConnectError {
  return new ConnectError("internal error", Code.Internal);
}

/** Of all headers that are repeated, only cookies must not be joined. */
function toNodeHeaders(headers: Headers): OutgoingHttpHeaders {
  const cookies = headers.getSetCookie();
  return {
    ...Object.fromEntries(headers),
    ...(cookies.length > 0 && { "set-cookie": cookies }),
  };
}
