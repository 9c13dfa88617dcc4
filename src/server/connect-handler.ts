import type { ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  type connectNodeAdapter,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { limitDeadline, untilAborted } from "./deadline.ts";
import { type DecodeError, rewriteDecodeFailure } from "./decode-failures.ts";
import { InFlightCall } from "./in-flight-call.ts";
import type { InFlightCalls } from "./in-flight-calls.ts";

export interface ConnectHandlerOptions {
  handlers: ReadonlyMap<string, UniversalHandler>;
  maxDeadlineMs: number;
  calls: InFlightCalls;
  decodeError: DecodeError;
  /** onError gets what nobody else can be told: bugs and responses that could not be written. */
  onError: (error: unknown, where: string) => void;
}

/** Serves a request of node:http or node:http2. */
export type NodeHandler = ReturnType<typeof connectNodeAdapter>;
type NodeRequest = Parameters<NodeHandler>[0];
type NodeResponse = Parameters<NodeHandler>[1];

/**
 * Serves the routes over gRPC, gRPC-Web and Connect.
 *
 * It does what connectNodeAdapter does, from the same parts, because that leaves no place for:
 * a request body that ends with the deadline (Connect reads the body of a unary call before any
 * interceptor runs), another signal for streams than for unary calls when the server drains, and
 * a request without a usable host, on which it throws in the event listener and so ends the
 * process. It also writes to the console.
 */
export function createConnectHandler(options: ConnectHandlerOptions): NodeHandler {
  const { handlers, calls, decodeError, onError } = options;

  return function handle(req, res) {
    const handler = handlers.get(req.url?.split("?", 1)[0] ?? "");
    if (handler === undefined) {
      respondUnimplemented(req, res);
      return;
    }
    if ("stream" in req && req.stream.closed) {
      // Cancelled before it was looked at: a flood of resets must stay cheap.
      return;
    }
    const request = toUniversalRequest(req, res);
    if (request === undefined) {
      res.writeHead(400);
      res.end();
      return;
    }
    const isUnary = handler.method.methodKind === "unary";
    const timeoutMs = limitDeadline(request.header, isUnary ? options.maxDeadlineMs : undefined);
    const call = new ConnectCall(calls, !isUnary, req);
    const { signal } = call;
    request.signal.addEventListener("abort", () => call.abort(request.signal.reason));
    // Connect itself watches over the deadline of a stream, which it may not have.
    call.serveUntilClosed(res, isUnary ? timeoutMs : undefined);
    discardRestAfter(req, res);

    const body = untilAborted(bodyOf(req), signal);
    serve(handler, { ...request, body, signal }, res, decodeError).catch((reason: unknown) => {
      // Aborted stands for a client that has gone away.
      if (ConnectError.from(reason).code !== Code.Aborted) {
        onError(reason, `response of ${handler.requestPath}`);
      }
      destroy(req);
    });
  };
}

class ConnectCall extends InFlightCall {
  readonly #req: NodeRequest;

  constructor(calls: InFlightCalls, streaming: boolean, req: NodeRequest) {
    super(calls, streaming);
    this.#req = req;
  }

  serveUntilClosed(res: NodeResponse, timeoutMs: number | undefined): void {
    this.begin(timeoutMs);
    res.once("close", () => this.end());
  }

  protected override destroy(): void {
    destroy(this.#req);
  }
}

async function serve(
  handler: UniversalHandler,
  request: UniversalServerRequest,
  res: NodeResponse,
  decodeError: DecodeError,
): Promise<void> {
  const contentType = request.header.get("content-type") ?? "";
  const response = await rewriteDecodeFailure(handler(request), contentType, decodeError);
  await universalResponseToNodeResponse(response, res);
}

/** Undefined for a request whose host and path make no URL. */
function toUniversalRequest(
  req: NodeRequest,
  res: NodeResponse,
): UniversalServerRequest | undefined {
  try {
    return universalRequestFromNodeRequest(req, res, undefined, undefined);
  } catch {
    return undefined;
  }
}

/**
 * The request's body. A reader that stops early, at a message that is too long for example, must
 * not destroy the request, since over HTTP/1.1 the response would go down with the connection.
 */
function bodyOf(req: NodeRequest): AsyncIterable<Uint8Array> {
  return req.iterator({ destroyOnReturn: false });
}

/**
 * Gets rid of what the client still sends once it has its response. Over HTTP/1.1 the rest has to
 * be read, for which requestTimeout sets the end.
 */
function discardRestAfter(req: NodeRequest, res: NodeResponse): void {
  if (!("stream" in req)) {
    res.once("finish", () => {
      // An iterator that was given up still listens, and a stream with such a listener stands.
      req.removeAllListeners("readable");
      req.resume();
    });
    return;
  }
  const { stream } = req;
  // The response's body has left; "finish" would be too early, and comes before the trailers.
  stream.once("wantTrailers", () => closeUnread(stream));
}

/**
 * Gives back the flow-control window of what the client still sends once it has its response: the
 * stream is reset without an error, as the standard has it, when the trailers have left.
 */
export function closeUnread(stream: ServerHttp2Stream): void {
  if (!stream.readableEnded) {
    setImmediate(() => stream.close());
  }
}

function destroy(req: NodeRequest): void {
  if ("stream" in req) {
    req.stream.destroy();
  } else {
    req.socket.destroy();
  }
}

/** Tells each kind of client in its own way that there is no such method. */
function respondUnimplemented(req: NodeRequest, res: NodeResponse): void {
  const contentType = req.headers["content-type"] ?? "";
  const message = "unknown service or method";
  if (contentType.startsWith("application/grpc")) {
    res.writeHead(200, {
      "content-type": contentType,
      "grpc-status": String(Code.Unimplemented),
      "grpc-message": encodeURIComponent(message),
    });
    res.end();
    return;
  }
  res.writeHead(404, { "content-type": "application/json" });
  res.end(JSON.stringify({ code: "unimplemented", message }));
}
