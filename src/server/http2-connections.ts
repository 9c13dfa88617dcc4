import {
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";

/** How long a client may take to acknowledge the settings, which is when they begin to bind it. */
const settingsTimeoutMs = 10_000;

/** How long a client may keep its side of a connection open after the server has ended its own. */
const lingerMs = 2000;

export interface Http2SessionsOptions {
  maxConcurrentStreams: number;
  maxHeaderBytes: number;
  idleConnectionTimeoutMs: number;
  onError: (error: unknown, where: string) => void;
}

/** The HTTP/2 side of the server: it never listens, but is given connections. */
export interface Http2Sessions {
  /** server emits "stream" and, to listeners of it, "request". */
  readonly server: Http2Server;
  /** adopt serves a connection that speaks HTTP/2. */
  adopt(socket: Socket): void;
  /**
   * drain sends GOAWAY on every connection, present and future. It names the last stream that is
   * being served: clients know that later ones were not looked at and try them elsewhere.
   */
  drain(): void;
}

export function createHttp2Sessions(options: Http2SessionsOptions): Http2Sessions {
  const { idleConnectionTimeoutMs, onError } = options;
  /** One function for each session, which closes it as soon as its streams are done. */
  const closers = new Set<() => void>();
  let draining = false;

  const server = createServer({
    settings: {
      maxConcurrentStreams: options.maxConcurrentStreams,
      maxHeaderListSize: options.maxHeaderBytes,
      // The protocol's own defaults, which bound what one connection makes the server hold.
      initialWindowSize: 65_535,
      maxFrameSize: 16_384,
      headerTableSize: 4096,
    },
    maxHeaderListPairs: 128,
    maxSettings: 32,
    maxOutstandingPings: 10,
    // In megabytes. Beyond it new streams are refused; mostly responses that the client does not
    // read fast enough.
    maxSessionMemory: 32,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    // Rapid reset (CVE-2023-44487): a client may cancel 1000 calls in a burst and 100 a second
    // after that, then its connection is closed.
    streamResetBurst: 1000,
    streamResetRate: 100,
  });
  server.on("sessionError", (error) => onError(error, "HTTP/2 connection"));

  function adopt(socket: Socket): void {
    // The sockets of an HTTP/1.1 server may be half open, which suits its clients. An HTTP/2 client
    // that has ended its side has gone, and its calls with it.
    socket.allowHalfOpen = false;
    const onSession = (session: ServerHttp2Session) => watch(session, socket);
    server.once("session", onSession);
    server.emit("connection", socket);
    server.off("session", onSession);
  }

  function watch(session: ServerHttp2Session, socket: Socket): void {
    let openStreams = 0;
    let idleSince = performance.now();
    // A call costs no timer, only the counter: the timer looks when it has to fire again.
    let timer = setTimeout(closeIfIdle, idleConnectionTimeoutMs);

    const settingsTimer = setTimeout(() => {
      if (session.pendingSettingsAck) {
        session.destroy(undefined, constants.NGHTTP2_SETTINGS_TIMEOUT);
      }
    }, settingsTimeoutMs);

    function closeIfIdle(): void {
      const left = idleSince + idleConnectionTimeoutMs - performance.now();
      if (openStreams === 0 && left <= 0) {
        close();
      } else {
        timer = setTimeout(closeIfIdle, openStreams > 0 ? idleConnectionTimeoutMs : left);
      }
    }

    function close(): void {
      session.close();
      lingerIfDone();
    }

    /** The client should end its side now. One that does not would hold the connection for ever. */
    function lingerIfDone(): void {
      if (openStreams === 0 && session.closed) {
        clearTimeout(timer);
        timer = setTimeout(() => socket.destroy(), lingerMs);
      }
    }

    session.on("stream", (stream: ServerHttp2Stream) => {
      openStreams += 1;
      stream.once("close", () => {
        openStreams -= 1;
        idleSince = performance.now();
        lingerIfDone();
      });
    });
    socket.once("close", () => {
      clearTimeout(timer);
      clearTimeout(settingsTimer);
      closers.delete(close);
    });

    closers.add(close);
    if (draining) {
      close();
    }
  }

  return {
    server,
    adopt,
    drain() {
      draining = true;
      for (const close of closers) {
        close();
      }
    },
  };
}
