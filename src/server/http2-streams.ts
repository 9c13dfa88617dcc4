import type { ServerHttp2Stream } from "node:http2";

/**
 * Closes a stream whose response is complete but whose request was not read to its end. The client
 * may still be sending, and unread data uses up the connection's flow-control window. The
 * reset carries NO_ERROR, as RFC 9113, section 8.1, asks.
 *
 * Call it from the "wantTrailers" event: the stream closes once the trailers are written.
 */
export function closeUnreadStream(stream: ServerHttp2Stream): void {
  if (!stream.readableEnded) {
    setImmediate(() => stream.close());
  }
}
