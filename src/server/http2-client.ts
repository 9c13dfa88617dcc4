import type { Socket } from "node:net";
import type { Stream } from "./http2/stream.ts";
import type { Peer } from "./peer.ts";

/** What is known of the client of an HTTP/2 connection. */
export interface Http2Client {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly encrypted: boolean;
}

/** The client of a stream: what its connection has as context. */
export function clientOf(stream: Stream): Http2Client {
  return stream.connection.context as Http2Client;
}
