import type { X509Certificate } from "node:crypto";
import { isIPv6, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** The other end of a connection. There is one object for each connection, as a key for caches. */
export interface Peer {
  /** Its IP address; an IPv4-mapped one as IPv4. Empty if the connection is already closed. */
  readonly address: string;
  /** What limits count as one peer: see `networkOf`. */
  readonly network: string;
  /** Numbers the connections of this process, from 1. */
  readonly connection: number;
  /** Its certificate, if it has presented one that TLS has verified. */
  readonly certificate: X509Certificate | undefined;
}

/** By socket, for HTTP/1.1. */
const peers = new WeakMap<Socket, Peer>();

let connections = 0;

/** Creates the peer of a new connection. */
export function createPeer(socket: Socket | TLSSocket): Peer {
  // Both are needed: Node also calls a resumed TLS 1.3 connection without a certificate authorized.
  const certificate =
    "authorized" in socket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  connections += 1;
  const address = toIpv4(socket.remoteAddress);
  return { address, network: networkOf(address), connection: connections, certificate };
}

/** The address; an IPv4-mapped one as IPv4. Empty for the address of a closed connection. */
function toIpv4(address = ""): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/i, "");
}

/**
 * What limits count as one peer: an address of IPv4, or the first 64 bits of one of IPv6. A client on
 * IPv6 usually has a network of 64 bits, and may use any address of it.
 */
export function networkOf(address: string | undefined): string {
  const plain = toIpv4(address);
  return isIPv6(plain) ? first64Bits(plain) : plain;
}

/** The first four groups of an IPv6 address. */
function first64Bits(address: string): string {
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const [first, last] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":")));
  const missing = tail === undefined ? 0 : 8 - (first?.length ?? 0) - (last?.length ?? 0);
  const groups = [...(first ?? []), ...Array<string>(missing).fill("0"), ...(last ?? [])];
  return groups.slice(0, 4).join(":");
}

/** The peer of an HTTP/1.1 connection. */
export function peerOfSocket(socket: Socket): Peer {
  const known = peers.get(socket);
  if (known !== undefined) return known;
  const peer = createPeer(socket);
  peers.set(socket, peer);
  return peer;
}
