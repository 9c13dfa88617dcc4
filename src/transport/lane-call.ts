import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { headerGrpcMessage, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { ActiveCall } from "./active-call.ts";
import type { Calls } from "./calls.ts";
import { closeUnread } from "./connect-handler.ts";
import { percentEncode, undecodable } from "./decode-failures.ts";
import { LaneContext } from "./lane-context.ts";
import type { UnaryMethod } from "./routing.ts";

/** What all calls through a lane have in common. */
export interface Lane {
  readonly calls: Calls;
  readonly maxMessageBytes: number;
  /** Serves what the lane does not. The stream has lost nothing of its body. */
  readonly otherwise: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
  /** Told of failures that the caller sees as "internal error" and nobody else would know. */
  readonly onError: (error: unknown, where: string) => void;
}

/** What the headers of a call say. */
export interface LaneRequest {
  readonly headers: IncomingHttpHeaders;
  readonly method: UnaryMethod;
  readonly timeoutMs: number;
  /** Names and values in turn. */
  readonly responseHeaders: readonly string[];
}

/** A message is led by one byte of flags and four of length. */
const prefixBytes = 5;
const compressedFlag = 1;

const okTrailers: Readonly<OutgoingHttpHeaders> = Object.freeze({ "grpc-status": "0" });

/** One unary call over gRPC: reads its message, has it handled, and answers once. */
export class LaneCall extends ActiveCall {
  readonly #lane: Lane;
  readonly #stream: ServerHttp2Stream;
  readonly #request: LaneRequest;
  /** What has arrived, usually one chunk. */
  #received: Buffer | undefined;
  #context: LaneContext | undefined;
  #trailers = okTrailers;
  #answered = false;

  constructor(lane: Lane, stream: ServerHttp2Stream, request: LaneRequest) {
    super(lane.calls, false);
    this.#lane = lane;
    this.#stream = stream;
    this.#request = request;
  }

  serve(): void {
    const stream = this.#stream;
    stream.on("readable", this.#onReadable);
    stream.on("end", this.#onEnd);
    stream.on("close", this.#onClose);
    stream.on("error", ignore);
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
    for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
      const received: Buffer =
        this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk]);
      this.#received = received;
      if (received.length < prefixBytes) continue;
      const length = received.readUInt32BE(1);
      const compressed = ((received[0] as number) & compressedFlag) !== 0;
      const tooLong = length > this.#lane.maxMessageBytes;
      if (compressed || tooLong || received.length > prefixBytes + length) {
        this.#leaveToConnect(received);
        return;
      }
    }
  };

  /** Connect judges of what is not one message as it should be, and sees it from the beginning. */
  #leaveToConnect(received: Buffer): void {
    if (this.#answered) return;
    this.#answered = true;
    const stream = this.#stream;
    stream.off("readable", this.#onReadable);
    stream.off("end", this.#onEnd);
    stream.off("close", this.#onClose);
    this.end();
    stream.unshift(received);
    this.#lane.otherwise(stream, this.#request.headers);
  }

  readonly #onEnd = (): void => {
    if (this.#answered) return;
    const received = this.#received;
    if (received === undefined) {
      const message = "protocol error: missing input message for unary method";
      this.#fail(new ConnectError(message, Code.Unimplemented));
    } else if (
      received.length < prefixBytes ||
      received.length < prefixBytes + received.readUInt32BE(1)
    ) {
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
    const { headers, method, timeoutMs } = this.#request;
    let message: MessageShape<DescMessage>;
    try {
      message = method.input.parse(bytes);
    } catch {
      this.#fail(undecodable());
      return;
    }
    try {
      this.#context = new LaneContext(this, this.#stream, headers, method.method, timeoutMs);
      const response = await method.invoke(message, this.#context);
      this.#succeed(method.output.serialize(response));
    } catch (error) {
      if (!(error instanceof ConnectError)) this.#lane.onError(error, method.method.name);
      this.#fail(error);
    }
  }

  #succeed(message: Uint8Array): void {
    if (this.#answered) return;
    const body = Buffer.allocUnsafe(prefixBytes + message.length);
    body[0] = 0;
    body.writeUInt32BE(message.length, 1);
    body.set(message, prefixBytes);
    const added = this.#context?.added.trailer;
    if (added !== undefined) this.#trailers = { ...Object.fromEntries(added), ...okTrailers };
    this.#respond();
    this.#stream.end(body);
  }

  #fail(error: unknown): void {
    if (this.#answered) return;
    const status =
      error instanceof ConnectError ? error : new ConnectError("internal error", Code.Internal);
    const trailers = setTrailerStatus(new Headers(this.#context?.added.trailer), status);
    trailers.set(headerGrpcMessage, percentEncode(status.rawMessage));
    this.#trailers = Object.fromEntries(trailers);
    this.#respond();
    this.#stream.end();
  }

  #respond(): void {
    this.#answered = true;
    const stream = this.#stream;
    stream.on("wantTrailers", () => {
      stream.sendTrailers(this.#trailers);
      closeUnread(stream);
    });
    const { responseHeaders } = this.#request;
    const added = this.#context?.added.header;
    // A list of names and values is the form that Node sends on with the least work.
    const headers = added ? [...responseHeaders, ...[...added].flat()] : responseHeaders;
    stream.respond(headers as string[], { waitForTrailers: true });
  }
}

function ignore(): void {}
