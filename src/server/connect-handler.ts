import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { untilAborted } from "./abort.ts";
import { type Authentication, refuse, toRefusal } from "./authentication.ts";
import type { OriginCheck } from "./browser-origin.ts";
import type { MethodMeter } from "./call-meter.ts";
import type { CallObserver } from "./call-observer.ts";
import type { CallSpan, CallTracer } from "./call-tracer.ts";
import { ConnectCallObservation } from "./connect-call-observation.ts";
import { limitDeadline } from "./deadline.ts";
import { rewriteDecodeFailure } from "./decode-failures.ts";
import type { Exchange } from "./exchange.ts";
import { errorResponse, type FixedResponse, jsonErrorResponse } from "./fixed-response.ts";
import { explainRefusal } from "./http-refusals.ts";
import { InFlightCall } from "./in-flight-call.ts";
import type { InFlightCalls } from "./in-flight-calls.ts";
import type { ObserveRefusal } from "./refusal-observation.ts";
import type { RequestErrors } from "./request-errors.ts";
import { toFetchHeaders } from "./request-headers.ts";
import type { StreamLimits } from "./stream-limits.ts";
import { joinTrailers } from "./trailers-only.ts";

export interface ConnectHandlerOptions {
  handlers: ReadonlyMap<string, UniversalHandler>;
  maxDeadlineMs: number;
  maxStreamAgeMs: number;
  streamLimits: StreamLimits;
  calls: InFlightCalls;
  requestErrors: RequestErrors;
  checkOrigin: OriginCheck;
  documents: Documents;
  /** Called with failures that no client sees: defects, and responses that could not be written. */
  onError: (error: unknown, where: string) => void;
  observer: CallObserver | undefined;
  /** The meter of the method with this path. Without an observer, nothing is counted or traced. */
  meterOf: (path: string) => MethodMeter | undefined;
  tracer: CallTracer | undefined;
  observeRefusal: ObserveRefusal;
  authentication?: Authentication | undefined;
}

/** What a GET or HEAD of a path responds with. What a document throws is a defect. */
export type Documents = ReadonlyMap<string, () => FixedResponse | Promise<FixedResponse>>;

export type ExchangeHandler = (exchange: Exchange) => void;
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
export function createConnectHandler(options: ConnectHandlerOptions): ExchangeHandler {
  const { handlers, calls, requestErrors, onError, observer, observeRefusal } = options;
  const { authentication, tracer } = options;
  const { streamLimits } = options;

  function ageLimit(methodKind: MethodKind): number {
    return methodKind === "server_streaming"
      ? withJitter(options.maxStreamAgeMs)
      : options.maxDeadlineMs;
  }

  function refuseRequest(exchange: Exchange, error: ConnectError, httpStatus: number) {
    const response = errorResponse(exchange.headers["content-type"], error, httpStatus);
    exchange.respond(observeRefusal(exchange, error, response));
  }

  return function handle(exchange) {
    const { url, method } = exchange;
    const path = url.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (handler === undefined) {
      const document = isRead(method) ? options.documents.get(path) : undefined;
      if (document === undefined) exchange.respond(unknownMethod(exchange, observeRefusal));
      else void respondWith(document, exchange, onError);
      return;
    }
    // Reset before it was served: a flood of resets must stay cheap.
    if (exchange.closed) return;
    const isPlainHttp1 = !exchange.isHttp2 && !exchange.encrypted;
    const foreign = options.checkOrigin(exchange.headers, isPlainHttp1);
    if (foreign !== undefined) {
      refuseRequest(exchange, foreign, 403);
      return;
    }
    const requestUrl = urlOf(exchange);
    if (requestUrl === undefined) {
      exchange.respond(unusableHost(exchange, observeRefusal));
      return;
    }
    const { methodKind } = handler.method;
    const isUnary = methodKind === "unary";
    const excess = isUnary ? undefined : streamLimits.open(exchange);
    if (excess !== undefined) {
      refuseRequest(exchange, excess, 429);
      return;
    }
    const header = toFetchHeaders(exchange.headers);
    const timeoutMs = limitDeadline(header, isUnary ? options.maxDeadlineMs : undefined);
    const rpc = handler.requestPath.slice(1);
    const span = observer && tracer && startSpan(tracer, rpc, exchange);
    const meter = options.meterOf(path);
    const observation =
      observer && new ConnectCallObservation({ observer, meter, span }, rpc, exchange);
    const call = new ConnectCall(calls, exchange, methodKind, observation);
    const { signal } = call;
    // Connect itself enforces the deadline of a stream, if it has one.
    call.beginUntilClosed(isUnary ? timeoutMs : ageLimit(methodKind));

    const universal = {
      httpVersion: exchange.httpVersion,
      method,
      url: requestUrl,
      header,
      body: untilAborted(exchange.readBody(), signal),
      signal,
      contextValues: observation?.values ?? createContextValues(),
    };
    const identified =
      authentication === undefined
        ? universal
        : identify(authentication, handler.method, exchange, universal, (refusal) =>
            observation?.refused(refusal),
          );

    const served = () => serve(handler, identified, exchange, requestErrors, observation);
    (span === undefined ? served() : span.run(served)).catch((reason: unknown) => {
      // Connect uses Aborted for a client that has gone away.
      if (ConnectError.from(reason).code !== Code.Aborted) {
        onError(reason, `response of ${handler.requestPath}`);
        call.sendFailed(reason);
      }
      exchange.destroy();
    });
  };
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

async function respondWith(
  document: () => FixedResponse | Promise<FixedResponse>,
  exchange: Exchange,
  onError: (error: unknown, where: string) => void,
): Promise<void> {
  try {
    const response = await document();
    if (!exchange.closed) exchange.respond(response);
  } catch (error) {
    onError(error, `document ${exchange.url}`);
    exchange.destroy();
  }
}

function startSpan(
  tracer: CallTracer,
  rpc: string,
  { headers, rawHeaders, peer, arrivedAt }: Exchange,
): CallSpan | undefined {
  const isGrpc = headers["content-type"]?.startsWith("application/grpc") === true;
  return tracer.start({
    rpc,
    protocol: isGrpc ? "grpc" : "connectrpc",
    rawHeaders,
    peer,
    arrivedAt,
  });
}

/** So that streams which were opened together do not end, and are not opened again, together. */
function withJitter(ms: number): number {
  return ms * (1 - Math.random() / 10);
}

class ConnectCall extends InFlightCall {
  readonly #exchange: Exchange;
  readonly #methodKind: MethodKind;
  readonly #observation: ConnectCallObservation | undefined;
  #sendFailure: ConnectError | undefined;

  constructor(
    calls: InFlightCalls,
    exchange: Exchange,
    methodKind: MethodKind,
    observation: ConnectCallObservation | undefined,
  ) {
    super(calls, methodKind !== "unary");
    this.#exchange = exchange;
    this.#methodKind = methodKind;
    this.#observation = observation;
  }

  beginUntilClosed(timeoutMs: number | undefined): void {
    this.begin(timeoutMs, this.#exchange.arrivedAt);
    this.#exchange.whenClosed(() => {
      const { complete } = this.#exchange;
      if (!complete) this.abort(clientHasGone());
      if (this.#isEndedByServer()) this.#observation?.endAsIntended();
      else this.#observation?.end(complete ? undefined : this.#whyUnfinished());
      this.end();
    });
  }

  /** The response cannot be sent, as with headers that HTTP/2 forbids. The exchange is closed next. */
  sendFailed(cause: unknown): void {
    this.#sendFailure = new ConnectError(
      "internal error",
      Code.Internal,
      undefined,
      undefined,
      cause,
    );
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
    const exchange = this.#exchange;
    if (exchange.isHttp2 && !exchange.requestEnded) exchange.closeConnection();
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
    if (this.#sendFailure !== undefined) return this.#sendFailure;
    const reason: unknown = this.signal.reason;
    const ours = [Code.DeadlineExceeded, Code.Unavailable];
    if (reason instanceof ConnectError && ours.includes(reason.code)) return reason;
    return this.streaming ? undefined : clientHasGone();
  }

  protected override destroy(): void {
    this.#exchange.destroy();
  }
}

async function serve(
  handler: UniversalHandler,
  identified: UniversalServerRequest | Promise<UniversalServerRequest>,
  exchange: Exchange,
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
  await exchange.send(isUnary && exchange.isHttp2 ? await joinTrailers(explained) : explained);
}

/** Undefined if an HTTP/1.1 request has no host, or one that no URL can have. */
function urlOf({ url, authority, encrypted }: Exchange): string | undefined {
  if (authority === undefined) return undefined;
  return URL.parse(url, `${encrypted ? "https" : "http"}://${authority}`)?.toString();
}

/**
 * The request with the identity of its caller. If the caller is refused, one whose body cannot be read:
 * Connect then reports the refusal as the client's protocol requires, and decodes nothing.
 */
async function identify(
  authentication: Authentication,
  method: DescMethod,
  exchange: Exchange,
  request: UniversalServerRequest & { contextValues: ContextValues },
  onRefusal: (refusal: ConnectError) => void,
): Promise<UniversalServerRequest> {
  const { contextKey } = authentication;
  const { contextValues } = request;
  const { peer, rawHeaders } = exchange;
  try {
    const identity = await authentication.authenticate({ method, rawHeaders, peer });
    if (identity !== undefined) contextValues.set(contextKey, identity);
    return request;
  } catch (error) {
    const refusal = toRefusal(error);
    refuse(contextValues, refusal);
    onRefusal(refusal);
    // The certificate may have expired since the handshake; the next connection brings the next one.
    // HTTP/2 connections are closed when it expires.
    if (peer.certificate && !exchange.isHttp2) exchange.closeConnection();
    return { ...request, body: failing(refusal) };
  }
}

function failing(error: ConnectError): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

function clientHasGone(): ConnectError {
  return new ConnectError("the client has gone away", Code.Canceled);
}

/** Says, in the client's protocol, that there is no such method. */
function unknownMethod(exchange: Exchange, observeRefusal: ObserveRefusal): FixedResponse {
  const message = "unknown service or method; the path of a call is /package.Service/Method";
  const error = new ConnectError(message, Code.Unimplemented);
  const response = errorResponse(exchange.headers["content-type"], error, 404);
  return observeRefusal(exchange, error, response);
}

/** HTTP/1.1 requires status 400 for it (RFC 9112, section 3.2), whatever the client's protocol. */
function unusableHost(exchange: Exchange, observeRefusal: ObserveRefusal): FixedResponse {
  const message = "the Host header must be a host name or an address, with or without a port";
  const error = new ConnectError(message, Code.InvalidArgument);
  return observeRefusal(exchange, error, jsonErrorResponse(error, 400));
}
