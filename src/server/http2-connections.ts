import type { Socket } from "node:net";
import type { CountRequests } from "./connections.ts";
import { parseGrpcTimeout } from "./deadline.ts";
import type { FairTurns } from "./fair-turns.ts";
import { hardHeaderLimits } from "./header-limits.ts";
import { Connection, type ConnectionOptions } from "./http2/connection.ts";
import { ErrorCode, type FloodBudget } from "./http2/frames.ts";
import type { Stream } from "./http2/stream.ts";
import type { Http2Client } from "./http2-client.ts";
import { createPeer } from "./peer.ts";
import { type ConnectionResets, ResetLimiter } from "./reset-limiter.ts";
import type { StreamHandler } from "./unary-call.ts";

/** How long a client may take to acknowledge the server's settings. */
const settingsTimeoutMs = 10_000;

/** How long a response may wait for a client that does not read it or gives it no window. */
const stallTimeoutMs = 10_000;

/** How often idle connections and other timeouts are looked for. */
const tickMs = 1000;

export interface Http2ConnectionsOptions {
  maxConcurrentStreams: number;
  maxHeaderBytes: number;
  idleConnectionTimeoutMs: number;
  /** Gets for each connection how to count its requests. */
  countRequests: (socket: Socket, count: CountRequests) => void;
  /** Where requests wait if very many begin at once. */
  turns: FairTurns;
  /** Serves a request. It must enforce the limits of headers: see header-limits.ts. */
  handle: StreamHandler;
  onError: (error: unknown, where: string) => void;
  /** Called once for each connection that was ended with ENHANCE_YOUR_CALM. */
  onAbuse: (abuse: AbusedConnection) => void;
}

/** A connection that was ended because its client has exceeded a limit against floods. */
export interface AbusedConnection {
  /** Which limit: a sentence without anything that the client has sent. */
  readonly reason: string;
  readonly budget: FloodBudget;
  /** The client's address. */
  readonly peer: string;
}

/** The HTTP/2 connections. They do not listen: `serve` gets each connection. */
export interface Http2Connections {
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
  /** How many connections are open. */
  readonly size: number;
  /** How many streams all connections have open. */
  readonly openStreams: number;
}

/** A connection's context. */
interface ServedClient extends Http2Client {
  readonly resets: ConnectionResets;
  /** When its certificate expires, by Date.now(). */
  readonly expiresAt: number;
}

export function createHttp2Connections(options: Http2ConnectionsOptions): Http2Connections {
  const { idleConnectionTimeoutMs, turns, onError } = options;
  const connections = new Set<Connection>();
  const resetLimiter = new ResetLimiter(options.maxConcurrentStreams);
  let draining = false;
  let ticking: NodeJS.Timeout | undefined;
  const reportFailure = (error: Error) => onError(error, "HTTP/2 connection");

  const common: Omit<ConnectionOptions, "onClose" | "onAbuse"> = {
    maxConcurrentStreams: options.maxConcurrentStreams,
    ...hardHeaderLimits(options.maxHeaderBytes),
    settingsTimeoutMs,
    stallTimeoutMs,
    onRequest: begin,
    onReset: limitResets,
    onConnectionError: reportFailure,
    onError,
  };

  function serve(socket: Socket): void {
    if (socket.destroyed) return;
    const peer = createPeer(socket);
    const connection = new Connection(socket, {
      ...common,
      onClose: () => forget(connection),
      onAbuse: (reason, budget) => options.onAbuse({ reason, budget, peer: peer.address }),
    });
    const client: ServedClient = {
      socket,
      peer,
      encrypted: "encrypted" in socket,
      resets: resetLimiter.connection(peer.network),
      expiresAt: peer.certificate?.validToDate.getTime() ?? Number.POSITIVE_INFINITY,
    };
    connection.context = client;
    connections.add(connection);
    options.countRequests(socket, () => connection.openStreams);
    ticking ??= setInterval(tick, tickMs);
    if (draining) connection.drain();
  }

  function forget(connection: Connection): void {
    connections.delete(connection);
    if (connections.size > 0) return;
    clearInterval(ticking);
    ticking = undefined;
  }

  /** One timer for all connections: most of them are idle, and calls need not restart it. */
  function tick(): void {
    const now = performance.now();
    const time = Date.now();
    for (const connection of connections) {
      connection.tick(now);
      const isIdle = connection.openStreams === 0;
      const { expiresAt } = connection.context as ServedClient;
      if (isIdle && now - connection.idleSince >= idleConnectionTimeoutMs) connection.drain();
      else if (time >= expiresAt) connection.drain();
    }
  }

  /** When the headers of the streams that wait for their turn arrived. */
  const waiting = new WeakMap<Stream, number>();

  /** Lets no connection begin very many requests at once. */
  function begin(stream: Stream): void {
    const arrivedAt = performance.now();
    if (turns.begin()) options.handle(stream, arrivedAt);
    else wait(stream, arrivedAt);
  }

  // Apart, so that a stream that need not wait costs no closure.
  function wait(stream: Stream, arrivedAt: number): void {
    waiting.set(stream, arrivedAt);
    turns.wait(stream.connection, () => {
      waiting.delete(stream);
      if (stream.closed) return false;
      try {
        options.handle(stream, arrivedAt);
      } catch (error) {
        onError(error, "HTTP/2 request");
        stream.reset(ErrorCode.INTERNAL_ERROR);
      }
      return true;
    });
  }

  function limitResets(stream: Stream): void {
    const { resets } = stream.connection.context as ServedClient;
    const now = performance.now();
    const { arrivedAt = waiting.get(stream) ?? now } = (stream.receiver ?? {}) as {
      readonly arrivedAt?: number;
    };
    const timeout = stream.headers.get("grpc-timeout");
    const deadlineMs = timeout === undefined ? undefined : parseGrpcTimeout(timeout);
    if (resets.allow(now - arrivedAt, deadlineMs)) return;
    stream.connection.destroy(ErrorCode.ENHANCE_YOUR_CALM, "too many rapid resets", "rapid_resets");
  }

  function closeMatching(matches: (socket: Socket) => boolean): void {
    for (const connection of connections) {
      if (matches((connection.context as ServedClient).socket)) connection.drain();
    }
  }

  return {
    serve,
    drain() {
      draining = true;
      closeMatching(() => true);
    },
    close: closeMatching,
    get size() {
      return connections.size;
    },
    get openStreams() {
      let count = 0;
      for (const connection of connections) count += connection.openStreams;
      return count;
    },
  };
}
