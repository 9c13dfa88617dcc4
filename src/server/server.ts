import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { createConnectHandler } from "./connect-handler.ts";
import { type DecodeError, invalidArgument } from "./decode-failures.ts";
import { createHttp2Sessions } from "./http2-connections.ts";
import { createInFlightCalls } from "./in-flight-calls.ts";
import { createListener, headersTimeoutMs, listen, type TlsCredentials } from "./listener.ts";
import { createProtocolSniffer } from "./protocol-detection.ts";
import { createRouting } from "./routing.ts";
import { createUnaryFastPath } from "./unary-fast-path.ts";

export interface TransportLimits {
  /** maxMessageBytes bounds a request message, before and after decompression. */
  readonly maxMessageBytes: number;
  /** maxDeadlineMs is the longest that a unary call may take, whatever its client asks for. */
  readonly maxDeadlineMs: number;
  /** maxConcurrentStreams bounds the calls in flight on one HTTP/2 connection. */
  readonly maxConcurrentStreams: number;
  /** maxHeaderBytes bounds the headers of one request. */
  readonly maxHeaderBytes: number;
  /** maxConnections: a connection beyond it is closed as soon as it is accepted. */
  readonly maxConnections: number;
  /** idleConnectionTimeoutMs: a connection without a call for this long is closed. */
  readonly idleConnectionTimeoutMs: number;
}

export interface ServerOptions {
  host: string;
  /** port 0 takes any free one. */
  port: number;
  tls: TlsCredentials | undefined;
  limits: TransportLimits;
  routes: (router: ConnectRouter) => void;
  interceptors?: Interceptor[];
  /** unaryFastPath false leaves unary gRPC to Connect too; for comparisons. */
  unaryFastPath?: boolean;
  /** decodeError makes the answer to a request that does not decode. INVALID_ARGUMENT by default. */
  decodeError?: DecodeError;
  /** onError gets failures that no caller sees, with the place. Many are a client's doing. */
  onError?: (error: unknown, where: string) => void;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /**
   * drain stops accepting, lets the calls in flight finish, ends the streams, and resolves when
   * every connection is closed. What is not done after `graceMs` is ended by force: `forced` is
   * the number of such calls. Calling it again returns the first call's promise.
   */
  drain(graceMs: number): Promise<{ forced: number }>;
}

/** How long the calls that are ended by force have to tell their clients. */
const finalFlushMs = 100;

/** A flood of refused connections is reported this often at most. */
const dropReportMs = 10_000;

/**
 * Serves gRPC, gRPC-Web and Connect over HTTP/1.1 and HTTP/2 on one port. With TLS the protocol
 * is chosen by ALPN, without it by the connection's first bytes.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { host, limits, decodeError = invalidArgument, onError = () => {} } = options;
  const calls = createInFlightCalls();
  const sockets = new Set<Socket>();
  const http1Responses = new Set<ServerResponse>();
  let draining: Promise<{ forced: number }> | undefined;

  const { maxMessageBytes, maxDeadlineMs } = limits;
  const routing = createRouting({
    routes: options.routes,
    interceptors: options.interceptors ?? [],
    maxMessageBytes,
  });
  const handleWithConnect = createConnectHandler({
    handlers: routing.connectHandlers,
    maxDeadlineMs,
    calls,
    decodeError,
    onError,
  });

  const http2 = createHttp2Sessions({ ...limits, onError });
  if (options.unaryFastPath === false) {
    http2.server.on("request", handleWithConnect);
  } else {
    // Node makes a request of every stream if the server has a listener for requests. Therefore
    // streams are for the fast path, and another server makes the request if it leaves one.
    const requests = createHttp2Server().on("request", handleWithConnect);
    const serveUnary = createUnaryFastPath({
      routing,
      calls,
      maxMessageBytes,
      maxDeadlineMs,
      decodeError,
      fallback: (stream, headers) => requests.emit("stream", stream, headers, 0, []),
      onError,
    });
    http2.server.on("stream", serveUnary);
  }

  const { server, serveHttp1 } = createListener(
    { tls: options.tls, requestTimeoutMs: limits.maxDeadlineMs + headersTimeoutMs, ...limits },
    onConnection,
  );
  server.on("request", (req: IncomingMessage, res: ServerResponse) => {
    if (draining !== undefined) {
      closeAfter(res);
    }
    http1Responses.add(res);
    res.once("close", () => {
      http1Responses.delete(res);
      if (draining !== undefined) {
        server.closeIdleConnections();
      }
    });
    handleWithConnect(req, res);
  });

  const sniffer = createProtocolSniffer({
    timeoutMs: headersTimeoutMs,
    http1: serveHttp1,
    http2: http2.adopt,
  });

  function onConnection(socket: Socket | TLSSocket): void {
    if (!("alpnProtocol" in socket)) {
      sniffer.sniff(socket);
    } else if (socket.alpnProtocol === "h2") {
      http2.adopt(socket);
    } else if (draining !== undefined) {
      socket.destroy();
    } else {
      serveHttp1(socket);
    }
  }

  // Of the TCP connections, so below TLS.
  server.prependListener("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", (error: unknown) => onError(error, "TLS handshake"));
  let dropReportedAt = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    if (performance.now() - dropReportedAt > dropReportMs) {
      dropReportedAt = performance.now();
      const error = new Error(`refusing connections: ${limits.maxConnections} are open`);
      onError(error, "accepting a connection");
    }
  });

  const port = await listen(server, host, options.port);
  server.on("error", (error) => onError(error, "listening"));

  async function drain(graceMs: number): Promise<{ forced: number }> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    sniffer.destroyPending();
    http2.drain();
    http1Responses.forEach(closeAfter);
    calls.drain();
    if (await settlesWithin(closed, graceMs)) {
      return { forced: 0 };
    }
    const forced = calls.size;
    calls.abort();
    if (forced > 0) {
      await settlesWithin(closed, finalFlushMs);
    }
    for (const socket of sockets) {
      socket.destroy();
    }
    await closed;
    return { forced };
  }

  return {
    host,
    port,
    url: `${options.tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
    drain(graceMs) {
      draining ??= drain(graceMs);
      return draining;
    },
  };
}

/** Makes the connection of an HTTP/1.1 response end with it. */
function closeAfter(res: ServerResponse): void {
  if (!res.headersSent) {
    res.shouldKeepAlive = false;
  }
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
