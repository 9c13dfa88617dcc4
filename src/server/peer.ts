import type { X509Certificate } from "node:crypto";
import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** The other end of a connection. There is one object for each connection, as a key for caches. */
export interface Peer {
  /** Its IP address; an IPv4-mapped one as IPv4. Empty if the connection is already closed. */
  readonly address: string;
  /** Numbers the connections of this process, from 1. 0: the connection is already closed. */
  readonly connection: number;
  /** Its certificate, if it has presented one that TLS has verified. */
  readonly certificate: X509Certificate | undefined;
}

/** By socket with HTTP/1.1, by session with HTTP/2. */
const peers = new WeakMap<object, Peer>();

const goneAway: Peer = { address: "", connection: 0, certificate: undefined };

let connections = 0;

function createPeer(socket: Socket | TLSSocket): Peer {
  // Both are needed: Node also calls a resumed TLS 1.3 connection without a certificate authorized.
  const certificate =
    "authorized" in socket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  connections += 1;
  const address = (socket.remoteAddress ?? "").replace(/^::ffff:(?=[\d.]+$)/i, "");
  return { address, connection: connections, certificate };
}

/** Remembers the peer of an HTTP/2 connection, as long as its socket can be read. */
export function rememberPeer(session: Http2Session, socket: Socket): Peer {
  const peer = createPeer(socket);
  peers.set(session, peer);
  return peer;
}

/** The peer of an HTTP/2 connection; undefined is a stream's session after its end. */
export function peerOfSession(session: Http2Session | undefined): Peer {
  return (session && peers.get(session)) ?? goneAway;
}

/** The peer of an HTTP/1.1 connection. */
export function peerOfSocket(socket: Socket): Peer {
  const known = peers.get(socket);
  if (known !== undefined) return known;
  const peer = createPeer(socket);
  peers.set(socket, peer);
  return peer;
}
