import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { headerGrpcMessage, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { ActiveCall } from "./active-call.ts";
import type { Calls } from "./calls.ts";
import { percentEncode, undecodable } from "./decode-failures.ts";
import type { UnaryMethod } from "./routing.ts";

export interface LaneCallOptions {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly method: UnaryMethod;
  readonly calls: Calls;
  readonly timeoutMs: number;
  readonly maxMessageBytes: number;
  readonly responseHeaders: Readonly<OutgoingHttpHeaders>;
  readonly otherwise: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
  readonly closeUnread: (stream: ServerHttp2Stream) => void;
  readonly onError: (error: unknown, where: string) => void;
}

/** A message is led by one byte of flags and four of length. */
const prefixBytes = 5;
const compressedFlag = 1;

const okTrailers: Readonly<OutgoingHttpHeaders> = Object.freeze({ "grpc-status": "0" });

/** One unary call over gRPC: reads its message, has it handled, and answers once. */
export class LaneCall {
  readonly #options: LaneCallOptions;
  readonly #active: ActiveCall;
  readonly #startedAt = performance.now();
  /** What has arrived, usually one chunk. */
  #received: Buffer | undefined;
  #trailers = okTrailers;
  #answered = false;
  /** Who hears of the deadline: interceptors if there are any, or else the client at once. */
  #waitsForInterceptors = false;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;

  constructor(options: LaneCallOptions) {
    this.#options = options;
    const { calls, stream, timeoutMs } = options;
    this.#active = new ActiveCall({
      calls,
      streaming: false,
      timeoutMs,
      destroy: () => stream.destroy(),
      onAbort: (reason) => {
        if (!this.#waitsForInterceptors) this.#fail(reason);
      },
    });
  }

  begin(): void {
    const { stream } = this.#options;
    stream.on("readable", this.#onReadable);
    stream.on("end", this.#onEnd);
    stream.on("close", this.#onClose);
    stream.on("error", ignore);
    this.#active.begin();
  }

  readonly #onReadable = (): void => {
    const { stream, maxMessageBytes } = this.#options;
    for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
      const received: Buffer =
        this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk]);
      this.#received = received;
      if (received.length < prefixBytes) continue;
      const length = received.readUInt32BE(1);
      const compressed = ((received[0] as number) & compressedFlag) !== 0;
      if (compressed || length > maxMessageBytes || received.length > prefixBytes + length) {
        this.#leaveToConnect(received);
        return;
      }
    }
  };

  /** Connect judges of what is not one message as it should be, and sees it from the beginning. */
  #leaveToConnect(received: Buffer): void {
    const { stream, headers, otherwise } = this.#options;
    if (this.#answered) return;
    this.#answered = true;
    stream.off("readable", this.#onReadable);
    stream.off("end", this.#onEnd);
    stream.off("close", this.#onClose);
    this.#active.end();
    stream.unshift(received);
    otherwise(stream, headers);
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
    this.#active.end();
    if (this.#answered) return;
    this.#answered = true;
    this.#active.abort(new ConnectError("the client has gone away", Code.Canceled));
  };

  async #handle(bytes: Buffer): Promise<void> {
    const { method, onError } = this.#options;
    let message: MessageShape<DescMessage>;
    try {
      message = method.input.parse(bytes);
    } catch {
      this.#fail(undecodable());
      return;
    }
    try {
      this.#waitsForInterceptors = method.intercepted;
      const response = await method.invoke(message, this.#context());
      this.#succeed(method.output.serialize(response));
    } catch (error) {
      if (!(error instanceof ConnectError)) onError(error, method.method.name);
      this.#fail(error);
    }
  }

  #succeed(message: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    const { stream } = this.#options;
    const body = Buffer.allocUnsafe(prefixBytes + message.length);
    body[0] = 0;
    body.writeUInt32BE(message.length, 1);
    body.set(message, prefixBytes);
    if (this.#responseTrailer !== undefined) {
      this.#trailers = { ...Object.fromEntries(this.#responseTrailer), ...okTrailers };
    }
    this.#respond();
    stream.end(body);
  }

  #fail(error: unknown): void {
    if (this.#answered) return;
    this.#answered = true;
    const { stream } = this.#options;
    const status =
      error instanceof ConnectError ? error : new ConnectError("internal error", Code.Internal);
    const trailers = setTrailerStatus(new Headers(this.#responseTrailer), status);
    trailers.set(headerGrpcMessage, percentEncode(status.rawMessage));
    this.#trailers = Object.fromEntries(trailers);
    this.#respond();
    stream.end();
  }

  #respond(): void {
    const { stream, responseHeaders, closeUnread } = this.#options;
    stream.on("wantTrailers", () => {
      stream.sendTrailers(this.#trailers);
      closeUnread(stream);
    });
    const added = this.#responseHeader && Object.fromEntries(this.#responseHeader);
    stream.respond({ ...added, ...responseHeaders }, { waitForTrailers: true });
  }

  /**
   * What Connect hands to implementations and interceptors. Each part that costs something is made
   * when it is asked for; they are own properties, so that Connect may copy the whole.
   */
  #context(): HandlerContext {
    const call = this;
    const { headers, method, timeoutMs } = this.#options;
    let requestHeader: Headers | undefined;
    let values: ContextValues | undefined;
    return {
      method: method.method,
      service: method.method.parent,
      requestMethod: "POST",
      protocolName: "grpc",
      get url() {
        const scheme = headers[":scheme"] ?? "http";
        const authority = headers[":authority"] ?? headers.host ?? "";
        return `${scheme}://${authority}${headers[":path"]}`;
      },
      get signal() {
        return call.#active.signal;
      },
      timeoutMs: () => call.#startedAt + timeoutMs - performance.now(),
      get requestHeader() {
        requestHeader ??= toWebHeaders(headers);
        return requestHeader;
      },
      get responseHeader() {
        call.#responseHeader ??= new Headers();
        return call.#responseHeader;
      },
      get responseTrailer() {
        call.#responseTrailer ??= new Headers();
        return call.#responseTrailer;
      },
      get values() {
        values ??= createContextValues();
        return values;
      },
    };
  }
}

function toWebHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) result.append(name, one);
  }
  return result;
}

function ignore(): void {}
