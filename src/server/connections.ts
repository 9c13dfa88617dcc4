import type { Socket } from "node:net";
import { networkOf } from "./peer.ts";

export interface ConnectionsOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerPeer: number;
  /** Called for each connection that is closed because of a limit, with how many are open. */
  readonly onRefused: (limit: "maxConnections" | "maxConnectionsPerPeer", open: number) => void;
}

/** Counts the requests of a connection that have not ended. Without any, the connection is idle. */
export interface RequestCount {
  requests: number;
}

interface Connection extends RequestCount {
  readonly peer: string;
  readonly client: string;
  readonly socket: Socket;
}

type ClientAddress = Pick<Socket, "remoteAddress" | "remotePort">;

/**
 * The open connections, in all and of each peer.
 *
 * Nobody can take all of them: no peer gets more than its share. And if none is left, a new connection
 * takes the place of an idle one of the peer that has the most, unless the new one is of that peer.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** Oldest first. */
  readonly #byPeer = new Map<string, Set<Connection>>();
  /** By the address and port of the client, which a TLS socket and its TCP socket have in common. */
  readonly #byClient = new Map<string, Connection>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  get sockets(): Socket[] {
    return [...this.#byClient.values()].map(({ socket }) => socket);
  }

  /** Counts a TCP connection until it is closed, or destroys it and returns false if it is one too many. */
  accept(socket: Socket): boolean {
    const { maxConnections, maxConnectionsPerPeer, onRefused } = this.#options;
    const peer = networkOf(socket.remoteAddress);
    const open = this.#byPeer.get(peer)?.size ?? 0;
    if (open >= maxConnectionsPerPeer) {
      onRefused("maxConnectionsPerPeer", open);
    } else if (this.#byClient.size >= maxConnections && !this.#makeRoom(open)) {
      onRefused("maxConnections", this.#byClient.size);
    } else {
      this.#add(socket, peer);
      return true;
    }
    socket.destroy();
    return false;
  }

  /** The count for a socket of a connection, either the TCP socket or the TLS socket on it. */
  requestCount(socket: ClientAddress): RequestCount {
    return this.#byClient.get(clientOf(socket)) ?? { requests: 0 };
  }

  #add(socket: Socket, peer: string): void {
    const connection: Connection = { peer, client: clientOf(socket), socket, requests: 0 };
    const ofPeer = this.#byPeer.get(peer) ?? new Set();
    this.#byPeer.set(peer, ofPeer.add(connection));
    this.#byClient.set(connection.client, connection);
    socket.once("close", () => this.#delete(connection));
  }

  #delete(connection: Connection): void {
    const { client } = connection;
    if (this.#byClient.get(client) === connection) this.#byClient.delete(client);
    const ofPeer = this.#byPeer.get(connection.peer);
    ofPeer?.delete(connection);
    if (ofPeer?.size === 0) this.#byPeer.delete(connection.peer);
  }

  /** Closes the oldest idle connection of the peer that has the most, if that is more than `open`. */
  #makeRoom(open: number): boolean {
    let most: Set<Connection> | undefined;
    for (const ofPeer of this.#byPeer.values()) {
      if (ofPeer.size > (most?.size ?? open + 1)) most = ofPeer;
    }
    for (const connection of most ?? []) {
      if (connection.requests > 0) continue;
      // Now, because its "close" event comes too late for the next one.
      this.#delete(connection);
      connection.socket.destroy();
      return true;
    }
    return false;
  }
}

function clientOf({ remoteAddress, remotePort }: ClientAddress): string {
  return `${remoteAddress} ${remotePort}`;
}
