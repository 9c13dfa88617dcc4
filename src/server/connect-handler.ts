import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  type connectNodeAdapter,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { untilAborted } from "./abort.ts";
import { type Authentication, refuse, toRefusal } from "./authentication.ts";
import type { OriginCheck } from "./browser-origin.ts";
import type { CallObserver } from "./call-observer.ts";
import { ConnectCallObservation } from "./connect-call-observation.ts";
import { limitDeadline } from "./deadline.ts";
import { rewriteDecodeFailure } from "./decode-failures.ts";
import {
  errorResponse,
  type FixedResponse,
  jsonErrorResponse,
  sendOnStream,
  sendOverHttp1,
  textResponse,
} from "./fixed-response.ts";
import { explainRefusal } from "./http-refusals.ts";
import { closeUnreadStream } from "./http2-streams.ts";
import { InFlightCall } from "./in-flight-call.ts";
import type { InFlightCalls } from "./in-flight-calls.ts";
import { type Peer, peerOfSession, peerOfSocket } from "./peer.ts";
import type { ObserveRefusal } from "./refusal-observation.ts";
import type { RequestErrors } from "./request-errors.ts";
import type { StreamLimits } from "./stream-limits.ts";
import { joinTrailers, sendTrailersOnly } from "./trailers-only.ts";

export interface ConnectHandlerOptions {
  handlers: ReadonlyMap<string, UniversalHandler>;
  maxDeadlineMs: number;
  maxStreamAgeMs: number;
  streamLimits: StreamLimits;
  calls: InFlightCalls;
  requestErrors: RequestErrors;
  checkOrigin: OriginCheck;
  /** Plain text for people who open the server's address in a browser. */
  about: string | undefined;
  /** Called with failures that no client sees: defects, and responses that could not be written. */
  onError: (error: unknown, where: string) => void;
  observer?: CallObserver | undefined;
  observeRefusal: ObserveRefusal;
  authentication?: Authentication | undefined;
}

/** A request listener of node:http or node:http2. */
export type NodeHandler = ReturnType<typeof connectNodeAdapter>;
type NodeRequest = Parameters<NodeHandler>[0];
type NodeResponse = Parameters<NodeHandler>[1];
type MethodKind = DescMethod["methodKind"];

/**
 * Serves the routes over gRPC, gRPC-Web and Connect.
 *
 * It takes the place of connectNodeAdapter and is made of the same parts, because the adapter
 * - cannot end a slow request body at the deadline: it reads the body of a unary call before any
 *   interceptor runs;
 * - has one shutdown signal for all calls, where a drain must abort streams but not unary calls;
 * - throws in the event listener at a request without a usable host, which ends the process;
 * - sends an empty DATA frame with the UNIMPLEMENTED of an unknown method, which gRPC clients report
 *   as INTERNAL or UNKNOWN, and empty bodies with the HTTP statuses of its own;
 * - writes to the console.
 */
export function createConnectHandler(options: ConnectHandlerOptions): NodeHandler {
  const { handlers, calls, requestErrors, about, onError, observer, observeRefusal } = options;
  const { authentication } = options;
  const { streamLimits } = options;

  function ageLimit(methodKind: MethodKind): number {
    return methodKind === "server_streaming"
      ? withJitter(options.maxStreamAgeMs)
      : options.maxDeadlineMs;
  }

  function refuseRequest(
    req: NodeRequest,
    res: NodeResponse,
    error: ConnectError,
    httpStatus: number,
  ) {
    const response = errorResponse(req.headers["content-type"], error, httpStatus);
    respond(req, res, observeRefusal(req, error, response));
  }

  return function handle(req, res) {
    const path = req.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (handler === undefined) {
      const isRoot = path === "/" && (req.method === "GET" || req.method === "HEAD");
      if (isRoot && about !== undefined) respond(req, res, textResponse(about));
      else respond(req, res, unknownMethod(req, observeRefusal));
      return;
    }
    if ("stream" in req && req.stream.closed) {
      // Reset before it was served: a flood of resets must stay cheap.
      return;
    }
    const foreign = options.checkOrigin(req.headers, isPlainHttp1(req));
    if (foreign !== undefined) {
      refuseRequest(req, res, foreign, 403);
      return;
    }
    const request = toUniversalRequest(req, res);
    if (request === undefined) {
      respond(req, res, unusableHost(req, observeRefusal));
      return;
    }
    const { methodKind } = handler.method;
    const isUnary = methodKind === "unary";
    const excess = isUnary ? undefined : streamLimits.open(originOf(req), res);
    if (excess !== undefined) {
      refuseRequest(req, res, excess, 429);
      return;
    }
    const timeoutMs = limitDeadline(request.header, isUnary ? options.maxDeadlineMs : undefined);
    const observation =
      observer && new ConnectCallObservation(observer, handler.requestPath.slice(1), req.headers);
    const call = new ConnectCall(calls, req, methodKind, observation);
    const { signal } = call;
    request.signal.addEventListener("abort", () => call.abort(request.signal.reason));
    // Connect itself enforces the deadline of a stream, if it has one.
    call.beginUntilClosed(res, isUnary ? timeoutMs : ageLimit(methodKind));
    discardUnreadBody(req, res);

    const body = untilAborted(readBody(req), signal);
    const contextValues = observation?.values ?? createContextValues();
    const universal = { ...request, body, signal, contextValues };
    const identified =
      authentication === undefined
        ? universal
        : identify(authentication, { method: handler.method, req, res }, universal, (refusal) =>
            observation?.refused(refusal),
          );

    serve(handler, identified, res, requestErrors, observation).catch((reason: unknown) => {
      // Connect uses Aborted for a client that has gone away.
      if (ConnectError.from(reason).code !== Code.Aborted) {
        onError(reason, `response of ${handler.requestPath}`);
      }
      destroy(req);
    });
  };
}

function originOf(req: NodeRequest) {
  const connection = "stream" in req ? req.stream.session : req.socket;
  return { connection, network: peerOf(req).network };
}

function peerOf(req: NodeRequest): Peer {
  return "stream" in req ? peerOfSession(req.stream.session) : peerOfSocket(req.socket);
}

/** So that streams which were opened together do not end, and are not opened again, together. */
function withJitter(ms: number): number {
  return ms * (1 - Math.random() / 10);
}

class ConnectCall extends InFlightCall {
  readonly #req: NodeRequest;
  readonly #methodKind: MethodKind;
  readonly #observation: ConnectCallObservation | undefined;

  constructor(
    calls: InFlightCalls,
    req: NodeRequest,
    methodKind: MethodKind,
    observation: ConnectCallObservation | undefined,
  ) {
    super(calls, methodKind !== "unary");
    this.#req = req;
    this.#methodKind = methodKind;
    this.#observation = observation;
  }

  beginUntilClosed(res: NodeResponse, timeoutMs: number | undefined): void {
    this.begin(timeoutMs);
    res.once("close", () => {
      if (this.#isEndedByServer()) this.#observation?.endAsIntended();
      else this.#observation?.end(res.writableEnded ? undefined : this.#whyUnfinished());
      this.end();
    });
  }

  /** Clients open a stream again that ends with UNAVAILABLE, without a failure that anyone sees. */
  protected override timeoutReason(): ConnectError {
    if (!this.streaming) return super.timeoutReason();
    if (this.#methodKind !== "server_streaming") this.#closeSilentConnection();
    return new ConnectError("the stream has reached its maximum age", Code.Unavailable);
  }

  /**
   * Closes the connection, once its other calls have ended, of a client that has not ended its request.
   * It may have left, or keep connections busy on purpose.
   */
  #closeSilentConnection(): void {
    const req = this.#req;
    if ("stream" in req && !req.stream.readableEnded) req.stream.session?.close();
  }

  /** Whether the server itself ends the stream, at its maximum age or when it shuts down. */
  #isEndedByServer(): boolean {
    const reason: unknown = this.signal.reason;
    const ended = reason instanceof ConnectError && reason.code === Code.Unavailable;
    return this.streaming && ended;
  }

  /**
   * Why the call has no complete response: the server's own reason, or the client has gone away. That
   * is how clients end a stream.
   */
  #whyUnfinished(): ConnectError | undefined {
    const reason: unknown = this.signal.reason;
    const ours = [Code.DeadlineExceeded, Code.Unavailable];
    if (reason instanceof ConnectError && ours.includes(reason.code)) return reason;
    return this.streaming ? undefined : new ConnectError("the client has gone away", Code.Canceled);
  }

  protected override destroy(): void {
    destroy(this.#req);
  }
}

async function serve(
  handler: UniversalHandler,
  identified: UniversalServerRequest | Promise<UniversalServerRequest>,
  res: NodeResponse,
  errors: RequestErrors,
  observation: ConnectCallObservation | undefined,
): Promise<void> {
  const request = await identified;
  const contentType = request.header.get("content-type") ?? "";
  const kind = { ...errors, input: handler.method.input };
  const response = await rewriteDecodeFailure(handler(request), contentType, kind);
  const observed = observation ? await observation.observe(response) : response;
  const explained = explainRefusal(observed, request, handler);
  const isUnary = handler.method.methodKind === "unary";
  const complete = isUnary && "stream" in res ? await joinTrailers(explained) : explained;
  if ("trailersOnly" in complete)
    sendTrailersOnly(res as Http2ServerResponse, complete.trailersOnly);
  else await universalResponseToNodeResponse(complete, res);
}

/** Undefined if an HTTP/1.1 request has no host, or one that no URL can have. */
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
 * The request's body. A reader may stop early, for example at a message that is too long. That
 * must not destroy the request: over HTTP/1.1 it would close the connection before the response.
 */
function readBody(req: NodeRequest): AsyncIterable<Uint8Array> {
  return req.iterator({ destroyOnReturn: false });
}

/**
 * The request with the identity of its caller. If the caller is refused, one whose body cannot be read:
 * Connect then reports the refusal as the client's protocol requires, and decodes nothing.
 */
async function identify(
  authentication: Authentication,
  { method, req, res }: { method: DescMethod; req: NodeRequest; res: NodeResponse },
  request: UniversalServerRequest & { contextValues: ContextValues },
  onRefusal: (refusal: ConnectError) => void,
): Promise<UniversalServerRequest> {
  const { contextKey } = authentication;
  const { contextValues } = request;
  const peer = peerOf(req);
  try {
    const { rawHeaders } = req;
    const identity = await authentication.authenticate({ method, rawHeaders, peer });
    if (identity !== undefined) contextValues.set(contextKey, identity);
    return request;
  } catch (error) {
    const refusal = toRefusal(error);
    refuse(contextValues, refusal);
    onRefusal(refusal);
    // The certificate may have expired since the handshake; the next connection brings the next one.
    if (peer.certificate && "shouldKeepAlive" in res) res.shouldKeepAlive = false;
    return { ...request, body: failing(refusal) };
  }
}

function failing(error: ConnectError): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

/**
 * Discards what the client still sends after the response. Over HTTP/1.1 it has to be read, for as
 * long as requestTimeout allows.
 */
function discardUnreadBody(req: NodeRequest, res: NodeResponse): void {
  if (!("stream" in req)) {
    res.once("finish", () => {
      // The listener of an iterator that has stopped early would keep the stream from flowing.
      req.removeAllListeners("readable");
      req.resume();
    });
    return;
  }
  const { stream } = req;
  // Not at "finish", which comes before the trailers are sent.
  stream.once("wantTrailers", () => closeUnreadStream(stream));
}

function isPlainHttp1(req: NodeRequest): boolean {
  return !("stream" in req) && !("encrypted" in req.socket);
}

function destroy(req: NodeRequest): void {
  if ("stream" in req) {
    req.stream.destroy();
  } else {
    req.socket.destroy();
  }
}

function respond(req: NodeRequest, res: NodeResponse, response: FixedResponse): void {
  if ("stream" in req) sendOnStream(req.stream, response);
  else sendOverHttp1(res as ServerResponse, response);
}

/** Says, in the client's protocol, that there is no such method. */
function unknownMethod(req: NodeRequest, observeRefusal: ObserveRefusal): FixedResponse {
  const message = "unknown service or method; the path of a call is /package.Service/Method";
  const error = new ConnectError(message, Code.Unimplemented);
  return observeRefusal(req, error, errorResponse(req.headers["content-type"], error, 404));
}

/** HTTP/1.1 requires status 400 for it (RFC 9112, section 3.2), whatever the client's protocol. */
function unusableHost(req: NodeRequest, observeRefusal: ObserveRefusal): FixedResponse {
  const message = "the Host header must be a host name or an address, with or without a port";
  const error = new ConnectError(message, Code.InvalidArgument);
  return observeRefusal(req, error, jsonErrorResponse(error, 400));
}
