import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import type { Authentication } from "./authentication.ts";
import { createOriginCheck, type OriginLimits } from "./browser-origin.ts";
import type { CallMeter } from "./call-meter.ts";
import type { CallObserver } from "./call-observer.ts";
import type { CallTracer } from "./call-tracer.ts";
import { createConnectHandler, type Documents } from "./connect-handler.ts";
import { Connections, type CountRequests, type RefusedConnection } from "./connections.ts";
import { FairTurns } from "./fair-turns.ts";
import { isWithinHeaderLimits, oversizedHeadersResponse } from "./header-limits.ts";
import { createHttp1Connections } from "./http1-connections.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import { type AbusedConnection, createHttp2Connections } from "./http2-connections.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { createInFlightCalls } from "./in-flight-calls.ts";
import {
  createListener,
  hasClientCertificate,
  headersTimeoutMs,
  listen,
  type TlsCredentials,
  type TlsOptions,
} from "./listener.ts";
import { createProtocolDetector } from "./protocol-detection.ts";
import { createRefusalObservation } from "./refusal-observation.ts";
import { defaultRequestErrors, type RequestErrors } from "./request-errors.ts";
import { createRouting } from "./routing.ts";
import { createStreamLimits } from "./stream-limits.ts";
import type { StreamHandler } from "./unary-call.ts";
import { createUnaryFastPath } from "./unary-fast-path.ts";

export interface TransportLimits {
  /** The longest request message, before and after decompression. */
  readonly maxMessageBytes: number;
  /** The longest time that a unary call may take. Longer deadlines of clients are lowered to it. */
  readonly maxDeadlineMs: number;
  /** The most calls in flight on one HTTP/2 connection. */
  readonly maxConcurrentStreams: number;
  /**
   * The size of the headers of one request. Over HTTP/2 each header counts 32 bytes more, and a
   * request with more than twice the size is reset without a response.
   */
  readonly maxHeaderBytes: number;
  /** Above it, a new connection takes the place of an idle one, or is closed: see connections.ts. */
  readonly maxConnections: number;
  /** Further connections of the same peer are closed as soon as they are accepted. */
  readonly maxConnectionsPerPeer: number;
  /** The most streaming calls: in all, of one peer and on one connection. Further ones are refused. */
  readonly maxStreams: number;
  readonly maxStreamsPerPeer: number;
  readonly maxStreamsPerConnection: number;
  /**
   * How long a streaming call may take. One whose client streams too is a conversation, and may take
   * no longer than `maxDeadlineMs`.
   */
  readonly maxStreamAgeMs: number;
  /** A connection without a call for this long is closed. */
  readonly idleConnectionTimeoutMs: number;
}

/** Has the errors for requests that no handler gets; each has a default. */
export interface ServerOptions extends Partial<RequestErrors> {
  host: string;
  /** 0 for any free port. */
  port: number;
  tls: TlsOptions | undefined;
  limits: TransportLimits;
  /** Which web pages may call the server. By default none may, and every name in `Host` is allowed. */
  origins?: OriginLimits;
  routes: (router: ConnectRouter) => void;
  interceptors?: Interceptor[];
  /** False: Connect serves unary gRPC too. For comparisons; true by default. */
  unaryFastPath?: boolean;
  /** By path. Neither caller nor web page is checked: what they respond with must be public. */
  documents?: Documents;
  /** Called with failures that no caller sees, and where they happened. Clients cause many of them. */
  onError?: (error: unknown, where: string) => void;
  /** Called for each connection that is refused because of a limit. There may be a flood of them. */
  onConnectionRefused?: (refusal: RefusedConnection) => void;
  /** Called for each HTTP/2 connection that is ended for abuse. There may be a flood of them. */
  onConnectionAbused?: (abuse: AbusedConnection) => void;
  /**
   * Called for each client's certificate that is refused: OpenSSL's reason, such as CERT_HAS_EXPIRED, and
   * the client's address, which Node does not tell if certificates are required. There may be a flood of
   * them.
   */
  onClientCertificateRefused?: (reason: string, peer: string | undefined) => void;
  /** Learns how each call ends. Without it, a meter and a tracer, calls have no request ids. */
  observer?: CallObserver;
  meter?: CallMeter | undefined;
  tracer?: CallTracer | undefined;
  /** Decides who makes a call. Without it, nobody asks. */
  authentication?: Authentication;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /**
   * Uses other TLS credentials from now on. Open connections stay. Only if the client CA changes, those
   * with a client certificate get a GOAWAY, or the end of keep-alive, and have to verify again.
   *
   * @throws {Error} if they cannot be used, or the server has no TLS; then those in force stay
   */
  setTlsCredentials(credentials: TlsCredentials): void;
  /**
   * Stops accepting connections, lets unary calls finish, aborts streams, and resolves when every
   * connection is closed. Calls that are still in flight after `graceMs` are aborted; `forced` is
   * their number. Calling it again returns the first call's promise.
   */
  drain(graceMs: number): Promise<{ forced: number }>;
  /** What is open and in flight at this moment. */
  state(): ServerState;
}

/** What a server has to do at one moment. */
export interface ServerState {
  /** `undecided` have not sent enough to tell the HTTP version, or have not ended their TLS handshake. */
  readonly connections: {
    readonly http1: number;
    readonly http2: number;
    readonly undecided: number;
  };
  /** Open HTTP/2 streams, whether they are served or not. */
  readonly http2Streams: number;
  /** Calls whose headers have arrived and whose response has not been sent; streaming ones, too. */
  readonly callsInFlight: number;
  readonly streamingCalls: number;
  /** Calls that wait for a later turn of the event loop, because very many began at once. */
  readonly waitingForTurn: number;
}

const observerOfNothing: CallObserver = { observesSuccess: false, callEnded() {} };

/** How long calls that are aborted at the end of a drain have to send their status. */
const finalFlushMs = 100;

/**
 * Serves gRPC, gRPC-Web and Connect over HTTP/1.1 and HTTP/2 on one port. ALPN selects the HTTP
 * version with TLS, the connection's first bytes without.
 *
 * @throws {ListenError} if the server cannot listen on this host and port
 * @throws {Error} if the TLS credentials cannot be used
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { host, limits, authentication, meter, tracer } = options;
  const observer = options.observer ?? (meter || tracer ? observerOfNothing : undefined);
  const { onError = () => {}, onConnectionRefused = () => {} } = options;
  const { onConnectionAbused = () => {} } = options;
  const requestErrors: RequestErrors = {
    decodeError: options.decodeError ?? defaultRequestErrors.decodeError,
    tooLargeError: options.tooLargeError ?? defaultRequestErrors.tooLargeError,
    forbiddenError: options.forbiddenError ?? defaultRequestErrors.forbiddenError,
    tooManyStreamsError: options.tooManyStreamsError ?? defaultRequestErrors.tooManyStreamsError,
  };
  const origins = options.origins ?? { allowedHosts: undefined, allowedOrigins: [] };
  const turns = new FairTurns();
  const calls = createInFlightCalls(turns);
  const connections = new Connections({ ...limits, onRefused: onConnectionRefused });

  const { maxMessageBytes, maxDeadlineMs, maxStreamAgeMs } = limits;
  const routing = createRouting({
    routes: options.routes,
    interceptors: options.interceptors ?? [],
    maxMessageBytes,
    meter,
  });
  const observeRefusal = createRefusalObservation(
    observer,
    routing.connectHandlers,
    (path) => routing.meters.get(path) ?? meter?.unknown,
  );
  const streamLimits = createStreamLimits(limits, requestErrors.tooManyStreamsError);
  const handleWithConnect = createConnectHandler({
    handlers: routing.connectHandlers,
    maxDeadlineMs,
    maxStreamAgeMs,
    streamLimits,
    calls,
    requestErrors,
    checkOrigin: createOriginCheck(origins, requestErrors.forbiddenError),
    documents: options.documents ?? new Map(),
    onError,
    observer,
    meterOf: (path) => routing.meters.get(path),
    tracer,
    observeRefusal,
    authentication,
  });

  const countRequests = (socket: Socket, count: CountRequests) =>
    connections.countRequests(socket, count);
  const serveWithConnect: StreamHandler = (stream, arrivedAt, received) => {
    const exchange = new Http2Exchange(stream, arrivedAt, turns);
    exchange.begin(received);
    if (meetsExpectation(exchange)) handleWithConnect(exchange);
  };
  const serveStream =
    options.unaryFastPath === false
      ? serveWithConnect
      : createUnaryFastPath({
          routing,
          calls,
          turns,
          maxMessageBytes,
          maxDeadlineMs,
          decodeError: requestErrors.decodeError,
          fallback: serveWithConnect,
          onError,
          observer,
          tracer,
          authentication,
        });
  const { maxHeaderBytes } = limits;
  const headerLimits = { maxHeaderBytes, observeRefusal, ...requestErrors };
  const http2 = createHttp2Connections({
    ...limits,
    countRequests,
    turns,
    handle(stream, arrivedAt) {
      const { headers } = stream;
      if (isWithinHeaderLimits(headers, headerLimits)) {
        serveStream(stream, arrivedAt);
      } else {
        const exchange = new Http2Exchange(stream, arrivedAt, turns);
        exchange.respond(oversizedHeadersResponse(headers, exchange, headerLimits));
      }
    },
    onError,
    onAbuse: onConnectionAbused,
  });

  const { server, serveHttp1, setCredentials } = createListener(
    {
      tls: options.tls,
      requestTimeoutMs: limits.maxDeadlineMs + headersTimeoutMs,
      ...limits,
      onClientCertificateRefused: (reason, socket) =>
        options.onClientCertificateRefused?.(reason, socket.remoteAddress),
    },
    (socket) => connections.accept(socket),
    onConnection,
  );
  const http1 = createHttp1Connections({
    server,
    accept: serveHttp1,
    handle: (req, res) => handleWithConnect(new Http1Exchange(req, res)),
    headerLimits,
    countRequests,
    onError,
  });

  const detector = createProtocolDetector({
    timeoutMs: headersTimeoutMs,
    http1: http1.serve,
    http2: http2.serve,
  });

  function onConnection(socket: Socket | TLSSocket): void {
    if (!("alpnProtocol" in socket)) {
      detector.detect(socket);
    } else if (socket.alpnProtocol === "h2") {
      http2.serve(socket);
    } else {
      http1.serve(socket);
    }
  }

  server.on("tlsClientError", (error: unknown) => onError(error, "TLS handshake"));

  function setTlsCredentials(credentials: TlsCredentials): void {
    if (!setCredentials(credentials)) {
      return;
    }
    http2.close(hasClientCertificate);
    http1.close(hasClientCertificate);
  }

  const port = await listen(server, host, options.port);
  server.on("error", (error) => onError(error, "listening"));

  let draining: Promise<{ forced: number }> | undefined;
  async function drain(graceMs: number): Promise<{ forced: number }> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    detector.drain();
    http2.drain();
    http1.drain();
    calls.drain();
    if (await settlesWithin(closed, graceMs)) {
      return { forced: 0 };
    }
    const forced = calls.size;
    calls.abort();
    if (forced > 0) {
      await settlesWithin(closed, finalFlushMs);
    }
    for (const socket of connections.sockets) {
      socket.destroy();
    }
    await closed;
    return { forced };
  }

  return {
    host,
    port,
    url: `${options.tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
    setTlsCredentials,
    drain(graceMs) {
      draining ??= drain(graceMs);
      return draining;
    },
    state() {
      const undecided = connections.size - http1.size - http2.size;
      return {
        connections: { http1: http1.size, http2: http2.size, undecided: Math.max(undecided, 0) },
        http2Streams: http2.openStreams,
        callsInFlight: calls.size,
        streamingCalls: streamLimits.size,
        waitingForTurn: turns.waiting,
      };
    },
  };
}

/** As node:http does it over HTTP/1.1 (RFC 9110, section 10.1.1). False: the request is refused. */
function meetsExpectation(exchange: Http2Exchange): boolean {
  const { expect } = exchange.headers;
  if (expect === undefined) return true;
  if (expect.toLowerCase() === "100-continue") {
    exchange.sendContinue();
    return true;
  }
  exchange.respond({ status: 417, headers: {}, body: new Uint8Array() });
  return false;
}

async function settlesWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
