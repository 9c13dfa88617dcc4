import type { ClientHttp2Stream } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";

/**
 * Connect's session manager without a defect of Node 24.20 and 26.3 (nodejs/node#65677): iterating over a
 * stream that has closed fails with "Premature close" if there is unread data, although none is missing. Busy
 * clients lose whole responses by it.
 */
export class SessionManager extends Http2SessionManager {
  override async request(
    ...args: Parameters<Http2SessionManager["request"]>
  ): Promise<ClientHttp2Stream> {
    const stream = await super.request(...args);
    const iterate = stream[Symbol.asyncIterator].bind(stream);
    stream[Symbol.asyncIterator] = async function* () {
      // Once nothing is unread, Node knows that the stream has ended.
      const unread: Buffer | null = stream.closed && stream.readable ? stream.read() : null;
      if (unread !== null) yield unread;
      return yield* iterate();
    };
    return stream;
  }
}
