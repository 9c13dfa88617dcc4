import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { CountRequests } from "./connections.ts";
import { parseGrpcTimeout } from "./deadline.ts";
import { hardHeaderLimits } from "./header-limits.ts";
import { destroySoon } from "./http2-streams.ts";
import { type Peer, rememberPeer } from "./peer.ts";
import { hardResetLimits, ResetLimiter } from "./reset-limiter.ts";

/** How long a client may take to acknowledge the server's settings. They bind it only from then on. */
const settingsTimeoutMs = 10_000;

/** How long a client may keep its side of a connection open after the server has closed its own. */
const halfOpenTimeoutMs = 2000;

/** The longest time of setTimeout. After it, a connection may as well be closed. */
const longestTimerMs = 2 ** 31 - 1;

export interface Http2ConnectionsOptions {
  maxConcurrentStreams: number;
  maxHeaderBytes: number;
  idleConnectionTimeoutMs: number;
  /** Gets for each connection how to count its requests. */
  countRequests: (socket: Socket, count: CountRequests) => void;
  onError: (error: unknown, where: string) => void;
}

/** The HTTP/2 connections. They do not listen: `serve` gets each connection. */
export interface Http2Connections {
  /** Emits "stream". Its listener has to enforce the limits of headers: see header-limits.ts. */
  readonly server: Http2Server;
  /**
   * Serves HTTP/2 on a connection. When the client's certificate expires, it gets GOAWAY: clients
   * connect again with their next certificate then.
   */
  serve(socket: Socket): void;
  /**
   * Sends GOAWAY on every connection, present and future, and closes each when its streams have
   * ended. GOAWAY names the last stream that is served, so that clients may safely retry later ones
   * on another replica.
   */
  drain(): void;
  /** Sends GOAWAY on the present connections that `matches` chooses, like `drain`. */
  close(matches: (socket: Socket) => boolean): void;
}

export function createHttp2Connections(options: Http2ConnectionsOptions): Http2Connections {
  const { idleConnectionTimeoutMs, onError } = options;
  /** For each connection a function that closes it once its streams have ended. */
  const closeFunctions = new Map<Socket, () => void>();
  const resetLimiter = new ResetLimiter(options.maxConcurrentStreams);
  let draining = false;

  const { maxHeaderListSize, maxHeaderListPairs } = hardHeaderLimits(options.maxHeaderBytes);
  const server = createServer({
    settings: {
      maxConcurrentStreams: options.maxConcurrentStreams,
      maxHeaderListSize,
      // The protocol's defaults. They limit the memory that one connection can take.
      initialWindowSize: 65_535,
      maxFrameSize: 16_384,
      headerTableSize: 4096,
    },
    maxHeaderListPairs,
    maxSettings: 32,
    maxOutstandingPings: 10,
    // In megabytes. Most of it is responses that the client does not read fast enough; above the
    // limit new streams are refused.
    maxSessionMemory: 32,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    ...hardResetLimits(options.maxConcurrentStreams),
  });
  server.on("sessionError", (error) => onError(error, "HTTP/2 connection"));

  function serve(socket: Socket): void {
    // The listening server leaves sockets half open for HTTP/1.1 clients. An HTTP/2 client that has
    // ended its side has gone.
    socket.allowHalfOpen = false;
    const onSession = (session: ServerHttp2Session) => {
      enforceLimits(session, socket, rememberPeer(session, socket));
    };
    server.once("session", onSession);
    server.emit("connection", socket);
    server.off("session", onSession);
  }

  function enforceLimits(session: ServerHttp2Session, socket: Socket, peer: Peer): void {
    // So that the client connects again with its next certificate.
    const closeAt = peer.certificate?.validToDate;
    let openRequests = 0;
    options.countRequests(socket, () => openRequests);
    let idleSince = performance.now();
    // Calls do not restart the timer, which would cost each of them: it restarts itself.
    let timer = setTimeout(closeIfIdle, idleConnectionTimeoutMs);

    const settingsTimer = setTimeout(() => {
      if (session.pendingSettingsAck) {
        const message = "the client has not acknowledged the settings in time";
        session.destroy(new Error(message), constants.NGHTTP2_SETTINGS_TIMEOUT);
      }
    }, settingsTimeoutMs);

    const closeTimer =
      closeAt && setTimeout(close, Math.min(closeAt.getTime() - Date.now(), longestTimerMs));

    function closeIfIdle(): void {
      const left = idleSince + idleConnectionTimeoutMs - performance.now();
      if (openRequests === 0 && left <= 0) {
        close();
      } else {
        timer = setTimeout(closeIfIdle, openRequests > 0 ? idleConnectionTimeoutMs : left);
      }
    }

    function close(): void {
      session.close();
      limitHalfOpen();
    }

    /** The client should close its side now. If it does not, the connection would stay for ever. */
    function limitHalfOpen(): void {
      if (openRequests === 0 && session.closed) {
        clearTimeout(timer);
        timer = setTimeout(() => socket.destroy(), halfOpenTimeoutMs);
      }
    }

    const resets = resetLimiter.connection(peer.network);
    function limitResets(ageMs: number, timeout: string | string[] | undefined): void {
      const deadlineMs = typeof timeout === "string" ? parseGrpcTimeout(timeout) : undefined;
      if (!resets.allow(ageMs, deadlineMs)) destroySoon(session, "too many rapid resets");
    }

    session.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      openRequests += 1;
      const openedAt = performance.now();
      stream.once("close", () => {
        openRequests -= 1;
        idleSince = performance.now();
        // A reset may carry NO_ERROR, too; then only what was not answered is one.
        if (stream.rstCode !== constants.NGHTTP2_NO_ERROR || stream.aborted) {
          limitResets(idleSince - openedAt, headers["grpc-timeout"]);
        }
        limitHalfOpen();
      });
    });
    socket.once("close", () => {
      clearTimeout(timer);
      clearTimeout(settingsTimer);
      clearTimeout(closeTimer);
      closeFunctions.delete(socket);
    });

    closeFunctions.set(socket, close);
    if (draining) {
      close();
    }
  }

  function closeMatching(matches: (socket: Socket) => boolean): void {
    for (const [socket, close] of closeFunctions) {
      if (matches(socket)) {
        close();
      }
    }
  }

  return {
    server,
    serve,
    drain() {
      draining = true;
      closeMatching(() => true);
    },
    close: closeMatching,
  };
}
