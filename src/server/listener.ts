import { constants, createPrivateKey, X509Certificate } from "node:crypto";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, type SecureContextOptions, type TLSSocket } from "node:tls";
import { parseAuthorities } from "../files/pem.ts";
import { endsOf } from "./connections.ts";
import { hardMaxHeaders } from "./header-limits.ts";

/** A certificate chain and its private key, both in PEM. */
export interface TlsCredentials {
  certificate: string;
  key: string;
  /**
   * Certificates of the authorities that sign the clients' certificates, in PEM. Clients are asked for
   * a certificate then, and one that does not verify is refused.
   */
  clientCa?: string | undefined;
}

export interface TlsOptions extends TlsCredentials {
  /** With `clientCa`: whether a client without a certificate is refused. `optional` by default. */
  clientCertificate?: "optional" | "required";
}

export interface ListenerOptions {
  tls: TlsOptions | undefined;
  maxHeaderBytes: number;
  idleConnectionTimeoutMs: number;
  /** How long an HTTP/1.1 request may take to arrive. */
  requestTimeoutMs: number;
  /** Called with the reason when a client certificate is refused, such as CERT_HAS_EXPIRED. */
  onClientCertificateRefused?: ((reason: string, socket: TLSSocket) => void) | undefined;
}

/** How long a connection may take for the TLS handshake, its first bytes or a request's headers. */
export const headersTimeoutMs = 10_000;

/**
 * How long a connection without a request has for one when a drain begins. A client that has just connected
 * has its first bytes on the way.
 */
export const drainTimeoutMs = 1000;

export interface Listener {
  /** The listening server. It emits "request" for HTTP/1.1. */
  readonly server: HttpServer;
  /** Serves HTTP/1.1 on a connection. */
  serveHttp1(socket: Socket): void;
  /**
   * Uses other credentials for the handshakes that begin from now on.
   *
   * @returns whether the authorities of client certificates are others than before
   * @throws {Error} if they cannot be used; then those in force stay
   */
  setCredentials(credentials: TlsCredentials): boolean;
}

/** What is common to all handshakes. */
const secureContextOptions = {
  minVersion: "TLSv1.2",
  // Of TLS 1.2 only what RFC 9113, appendix A, permits for HTTP/2: forward secrecy and AEAD.
  ciphers: [
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
  ].join(":"),
} as const satisfies SecureContextOptions;

/**
 * Creates the listening server, which passes each connection that `accept` has accepted to
 * `onConnection`; with TLS, after the handshake. If client certificates are asked for, a connection
 * that is passed on has a verified one or none.
 *
 * It is an HTTP/1.1 server without its own connection listener, and not a plain net.Server, because
 * Node enforces headersTimeout and requestTimeout only on a server that listens.
 *
 * @throws {Error} if the TLS credentials cannot be used
 */
export function createListener(
  options: ListenerOptions,
  accept: (socket: Socket) => boolean,
  onConnection: (socket: Socket) => void,
): Listener {
  const { tls, onClientCertificateRefused = () => {} } = options;
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
        ...secureContext(tls),
        requestCert: tls.clientCa !== undefined,
        // Without it, Node leaves it to us to refuse a certificate, and accepts that there is none.
        rejectUnauthorized: tls.clientCertificate === "required",
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

  // A handshake may begin under one list of authorities and end under the next.
  const epochs = new Map<string, { readonly epoch: number }>();
  let epoch = 0;
  let authorities = authoritiesOf(tls);
  if (authorities !== undefined) {
    server.prependListener("connection", (socket: Socket) => {
      const ends = endsOf(socket);
      const begun = { epoch };
      epochs.set(ends, begun);
      socket.once("close", () => {
        if (epochs.get(ends) === begun) epochs.delete(ends);
      });
    });
    server.on("tlsClientError", (_error: Error, socket: TLSSocket) => {
      const { authorizationError: reason } = socket;
      if (reason) onClientCertificateRefused(String(reason), socket);
    });
  }

  server.on(event, (socket: Socket | TLSSocket) => {
    if (authorities === undefined || !hasClientCertificate(socket)) {
      onConnection(socket);
    } else if (!socket.authorized) {
      onClientCertificateRefused(String(socket.authorizationError), socket);
      socket.destroy();
    } else if (epochs.get(endsOf(socket))?.epoch !== epoch) {
      socket.destroy();
    } else {
      onConnection(socket);
    }
  });

  // Before any listener, with TLS before the handshake.
  const listeners = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (!accept(socket)) return;
    for (const listener of listeners) listener.call(server, socket);
  });

  return {
    server,
    serveHttp1: (socket) => serveHttp1.call(server, socket),
    setCredentials(credentials) {
      const context = secureContext(credentials);
      const next = authoritiesOf(credentials);
      if (!("setSecureContext" in server) || (next === undefined) !== (authorities === undefined)) {
        throw new Error("whether TLS and client certificates are used cannot change");
      }
      server.setSecureContext(context);
      if (next === authorities) return false;
      authorities = next;
      epoch += 1;
      return true;
    },
  };
}

/** The same for two PEM texts that have the same certificates. */
function authoritiesOf(credentials: TlsCredentials | undefined): string | undefined {
  const { clientCa } = credentials ?? {};
  if (clientCa === undefined) return undefined;
  const fingerprints = parseAuthorities(clientCa).map(({ fingerprint256 }) => fingerprint256);
  return [...new Set(fingerprints)].sort().join();
}

/** Whether the client of a connection has shown a certificate. */
export function hasClientCertificate(socket: Socket | TLSSocket): socket is TLSSocket {
  return "getPeerX509Certificate" in socket && socket.getPeerX509Certificate() !== undefined;
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
function secureContext({ certificate, key, clientCa }: TlsCredentials): SecureContextOptions {
  const x509 = attempt("the TLS certificate is not usable PEM", () => {
    createSecureContext({ cert: certificate });
    return new X509Certificate(certificate);
  });
  const privateKey = attempt("the TLS private key is not usable PEM", () => {
    createSecureContext({ key });
    return createPrivateKey(key);
  });
  // OpenSSL accepts a key of another type than the certificate's, and then every handshake fails.
  if (!x509.checkPrivateKey(privateKey)) {
    throw new Error("the TLS private key is not the certificate's");
  }
  const server = { ...secureContextOptions, cert: certificate, key };
  const noRenegotiation = constants.SSL_OP_NO_RENEGOTIATION;
  if (clientCa === undefined) return { ...server, secureOptions: noRenegotiation };

  attempt("the client CA is not usable PEM", () => {
    parseAuthorities(clientCa);
    createSecureContext({ ca: clientCa });
  });
  // OpenSSL does not verify a certificate again when a TLS session is resumed, so a client whose
  // certificate has expired would get in. Without tickets no session is resumed.
  return { ...server, ca: clientCa, secureOptions: noRenegotiation | constants.SSL_OP_NO_TICKET };
}

function attempt<T>(description: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${description}: ${reason}`, { cause: error });
  }
}
