import type { Socket } from "node:net";
import { networkOf } from "./peer.ts";

export interface ConnectionsOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerPeer: number;
  /** Called for each connection that is closed because of a limit. */
  readonly onRefused: (refusal: RefusedConnection) => void;
}

export interface RefusedConnection {
  readonly limit: "maxConnections" | "maxConnectionsPerPeer";
  /** How many connections are open, in all or of the peer. */
  readonly open: number;
  /** What counts as one peer: see `networkOf`. */
  readonly peer: string;
}

/** How many requests of a connection have not ended. Without any, the connection is idle. */
export type CountRequests = () => number;

interface Connection {
  readonly peer: string;
  readonly ends: string;
  readonly socket: Socket;
  countRequests: CountRequests;
}

type Ends = Pick<Socket, "remoteAddress" | "remotePort" | "localAddress">;

/**
 * The open connections, in all and of each peer.
 *
 * No single peer can take all of them: none gets more than its share. And if none is left, a new connection
 * takes the place of an idle one of a peer that has more than its own, the peer with the most first.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** Oldest first. */
  readonly #byPeer = new Map<string, Set<Connection>>();
  /** By `endsOf`. */
  readonly #byEnds = new Map<string, Connection>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byEnds.size;
  }

  get sockets(): Socket[] {
    return [...this.#byEnds.values()].map(({ socket }) => socket);
  }

  /** Counts a TCP connection until it is closed, or destroys it and returns false if it is one too many. */
  accept(socket: Socket): boolean {
    const { maxConnections, maxConnectionsPerPeer, onRefused } = this.#options;
    const peer = networkOf(socket.remoteAddress);
    const open = this.#byPeer.get(peer)?.size ?? 0;
    if (open >= maxConnectionsPerPeer) {
      onRefused({ limit: "maxConnectionsPerPeer", open, peer });
    } else if (this.#byEnds.size >= maxConnections && !this.#makeRoom(open)) {
      onRefused({ limit: "maxConnections", open: this.#byEnds.size, peer });
    } else {
      this.#add(socket, peer);
      return true;
    }
    socket.destroy();
    return false;
  }

  /**
   * Says how to count the requests of a connection, which has none before. Its socket is either the TCP
   * socket or the TLS socket on it.
   */
  countRequests(socket: Ends, count: CountRequests): void {
    const connection = this.#byEnds.get(endsOf(socket));
    if (connection !== undefined) connection.countRequests = count;
  }

  #add(socket: Socket, peer: string): void {
    const connection: Connection = { peer, ends: endsOf(socket), socket, countRequests: none };
    const ofPeer = this.#byPeer.get(peer) ?? new Set();
    this.#byPeer.set(peer, ofPeer.add(connection));
    this.#byEnds.set(connection.ends, connection);
    // "once" would take 170 octets more of each connection.
    socket.on("close", () => this.#delete(connection));
  }

  #delete(connection: Connection): void {
    const { ends } = connection;
    if (this.#byEnds.get(ends) === connection) this.#byEnds.delete(ends);
    const ofPeer = this.#byPeer.get(connection.peer);
    ofPeer?.delete(connection);
    if (ofPeer?.size === 0) this.#byPeer.delete(connection.peer);
  }

  /**
   * Closes the oldest idle connection of the peer that has the most, of those that have an idle one and
   * at least two more than `open`.
   */
  #makeRoom(open: number): boolean {
    let most = open + 1;
    let idle: Connection | undefined;
    for (const ofPeer of this.#byPeer.values()) {
      if (ofPeer.size <= most) continue;
      const oldest = oldestIdle(ofPeer);
      if (oldest === undefined) continue;
      most = ofPeer.size;
      idle = oldest;
    }
    if (idle === undefined) return false;
    // Now, because its "close" event comes too late for the next one.
    this.#delete(idle);
    idle.socket.destroy();
    return true;
  }
}

function none(): number {
  return 0;
}

function oldestIdle(connections: Iterable<Connection>): Connection | undefined {
  for (const connection of connections) {
    if (connection.countRequests() === 0) return connection;
  }
  return undefined;
}

/**
 * Identifies a connection by both its ends, since a client may use one port for two addresses of the
 * server. It is the same for the TCP socket of a connection and its TLS socket.
 */
export function endsOf({ remoteAddress, remotePort, localAddress }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
