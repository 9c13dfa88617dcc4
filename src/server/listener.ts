import { createPrivateKey, X509Certificate } from "node:crypto";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createSecureContext } from "node:tls";
import { hardMaxHeaders } from "./header-limits.ts";

/** A certificate chain and its private key, both in PEM. */
export interface TlsCredentials {
  certificate: string;
  key: string;
}

export interface ListenerOptions {
  tls: TlsCredentials | undefined;
  maxHeaderBytes: number;
  idleConnectionTimeoutMs: number;
  /** How long an HTTP/1.1 request may take to arrive. */
  requestTimeoutMs: number;
}

/** How long a connection may take for the TLS handshake, its first bytes or a request's headers. */
export const headersTimeoutMs = 10_000;

export interface Listener {
  /** The listening server. It emits "request" for HTTP/1.1. */
  readonly server: HttpServer;
  /** Serves HTTP/1.1 on a connection. */
  serveHttp1(socket: Socket): void;
}

/**
 * Creates the listening server, which passes each connection that `accept` has accepted to
 * `onConnection`; with TLS, after the handshake.
 *
 * It is an HTTP/1.1 server without its own connection listener, and not a plain net.Server, because
 * Node enforces headersTimeout and requestTimeout only on a server that listens.
 *
 * @throws {Error} if the TLS certificate or key cannot be used
 */
export function createListener(
  options: ListenerOptions,
  accept: (socket: Socket) => boolean,
  onConnection: (socket: Socket) => void,
): Listener {
  const { tls } = options;
  const http1Options = {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: Math.max(options.requestTimeoutMs, headersTimeoutMs),
    keepAliveTimeout: options.idleConnectionTimeoutMs,
    connectionsCheckingInterval: 1000,
    requireHostHeader: true,
    insecureHTTPParser: false,
    noDelay: true,
    // Detects a client that has vanished, even while a stream without a deadline waits.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  };
  const server = tls
    ? createHttpsServer({
        ...http1Options,
        ...checkCredentials(tls),
        minVersion: "TLSv1.2",
        ALPNProtocols: ["h2", "http/1.1"],
        handshakeTimeout: headersTimeoutMs,
      })
    : createHttpServer(http1Options);
  server.maxHeadersCount = hardMaxHeaders;

  const event = tls ? "secureConnection" : "connection";
  const serveHttp1 = server.listeners(event).at(-1);
  if (serveHttp1 === undefined) {
    throw new Error(`node:http has no listener for "${event}"`);
  }
  server.off(event, serveHttp1 as (socket: Socket) => void);
  server.on(event, onConnection);

  // Before any listener, with TLS before the handshake.
  const listeners = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (!accept(socket)) return;
    for (const listener of listeners) listener.call(server, socket);
  });
  return { server, serveHttp1: (socket) => serveHttp1.call(server, socket) };
}

/** The server cannot listen. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  /** The options that may be the cause. */
  readonly options: readonly ("host" | "port")[];

  constructor(message: string, options: readonly ("host" | "port")[], cause: unknown) {
    super(message, { cause });
    this.options = options;
  }
}

/**
 * Starts to listen and resolves with the port.
 *
 * @throws {ListenError} if the server cannot listen on this host and port
 */
export async function listen(server: HttpServer, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  try {
    server.listen({ host, port }, resolve);
    await promise;
  } catch (error) {
    const [reason, ...options] = explain(error, port);
    const message = `cannot listen on host ${JSON.stringify(host)}, port ${port}: ${reason}`;
    throw new ListenError(message, options, error);
  }
  server.off("error", reject);
  return (server.address() as AddressInfo).port;
}

/** The reason, and the options that may be the cause. */
function explain(error: unknown, port: number): [string, ...("host" | "port")[]] {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "EADDRINUSE":
      return ["another process is using this port", "port"];
    case "ERR_SOCKET_BAD_PORT":
      return ["a port is a number from 0 to 65535", "port"];
    case "EACCES":
      return port < 1024
        ? ["ports below 1024 need a privilege that this process does not have", "port"]
        : ["the operating system does not permit it", "host", "port"];
    case "EADDRNOTAVAIL":
      return ["this machine does not have this address", "host"];
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EINVAL":
    case "EAFNOSUPPORT":
      return [`the host is not an address or a name that can be resolved (${code})`, "host"];
    default:
      return [code || String(error), "host", "port"];
  }
}

/** Checks each part alone, because OpenSSL does not say which of them is wrong. */
function checkCredentials({ certificate, key }: TlsCredentials): { cert: string; key: string } {
  attempt("the TLS certificate is not usable PEM", () => {
    createSecureContext({ cert: certificate });
  });
  attempt("the TLS private key is not usable PEM", () => {
    createSecureContext({ key });
  });
  // OpenSSL accepts a key of another type than the certificate's, and then every handshake fails.
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new Error("the TLS private key is not the certificate's");
  }
  return { cert: certificate, key };
}

function attempt(description: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${description}: ${reason}`, { cause: error });
  }
}
