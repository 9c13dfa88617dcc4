import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { CountRequests } from "./connections.ts";
import { sendOverHttp1 } from "./fixed-response.ts";
import {
  type HeaderLimits,
  headerOverflowResponse,
  maxHeaders,
  tooManyHeadersResponse,
} from "./header-limits.ts";
import { createClientErrorListener } from "./http1-failures.ts";
import { servePipelined } from "./http1-pipelining.ts";
import { drainTimeoutMs } from "./listener.ts";

export interface Http1ConnectionsOptions {
  /** The listening server. It must emit "request" and "clientError" for the sockets of `accept`. */
  server: HttpServer;
  /** Makes `server` serve HTTP/1.1 on a connection. */
  accept: (socket: Socket) => void;
  /** Gets each request with no more headers than allowed. */
  handle: (req: IncomingMessage, res: ServerResponse) => void;
  headerLimits: HeaderLimits;
  /** Gets for each connection how to count its requests. */
  countRequests: (socket: Socket, count: CountRequests) => void;
  onError: (error: unknown, where: string) => void;
}

/** The HTTP/1.1 connections. They do not listen: `serve` gets each connection. */
export interface Http1Connections {
  serve(socket: Socket): void;
  /**
   * Closes each connection after its response, and those that have no request within `drainTimeoutMs`. Idle
   * ones are closed with the server.
   */
  drain(): void;
  /** Closes the connections that `matches` chooses, after their responses. */
  close(matches: (socket: Socket) => boolean): void;
  /** How many connections are open. */
  readonly size: number;
}

export function createHttp1Connections(options: Http1ConnectionsOptions): Http1Connections {
  const { server, headerLimits, onError } = options;
  const sockets = new Set<Socket>();
  const hadRequest = new WeakSet<Socket>();
  /** The response that each connection waits for; `servePipelined` begins no second one. */
  const responses = new Map<Socket, ServerResponse>();
  let draining = false;

  function serveRequest(req: IncomingMessage, res: ServerResponse): void {
    if (draining) closeAfter(res);
    const { socket } = req;
    responses.set(socket, res);
    hadRequest.add(socket);
    res.once("close", () => {
      responses.delete(socket);
      if (draining) server.closeIdleConnections();
    });
    if (req.rawHeaders.length > 2 * maxHeaders) {
      sendOverHttp1(res, tooManyHeadersResponse(req, headerLimits));
    } else {
      options.handle(req, res);
    }
  }

  /** Node's own limit for a request's headers ends when the server closes. */
  function closeWithoutRequest(socket: Socket): void {
    const close = () => {
      if (!responses.has(socket)) socket.destroy();
    };
    const timer = setTimeout(close, drainTimeoutMs);
    socket.once("close", () => clearTimeout(timer));
  }

  server.on("request", servePipelined(serveRequest, onError));
  server.on(
    "clientError",
    createClientErrorListener(
      () => headerOverflowResponse(headerLimits),
      (socket) => ({
        hadRequest: hadRequest.has(socket),
        headersSent: responses.get(socket)?.headersSent === true,
      }),
      onError,
    ),
  );

  return {
    serve(socket) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      options.countRequests(socket, () => (responses.has(socket) ? 1 : 0));
      options.accept(socket);
      if (draining) closeWithoutRequest(socket);
    },
    drain() {
      draining = true;
      for (const res of responses.values()) closeAfter(res);
      for (const socket of sockets) closeWithoutRequest(socket);
    },
    get size() {
      return sockets.size;
    },
    close(matches) {
      for (const socket of sockets) {
        if (!matches(socket)) continue;
        const res = responses.get(socket);
        if (res === undefined) {
          socket.destroy();
        } else {
          closeAfter(res);
          res.once("close", () => socket.end());
        }
      }
    },
  };
}

/** Closes the connection of a response after it. */
function closeAfter(res: ServerResponse): void {
  if (!res.headersSent) res.shouldKeepAlive = false;
}
