import { constants, type Http2Session, type ServerHttp2Stream } from "node:http2";

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

/**
 * Closes the connection of a client that abuses it, with ENHANCE_YOUR_CALM.
 *
 * Not at once: Node emits the events of streams while it still reads what has arrived, and aborts the
 * process if a session is destroyed meanwhile that has more DATA to read (nodejs/node#64850).
 */
export function destroySoon(session: Http2Session, reason: string): void {
  setImmediate(() => {
    if (session.destroyed) return;
    // Without an error, Node sends NO_ERROR whatever the code is.
    session.destroy(new Error(reason), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
}
