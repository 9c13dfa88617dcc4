import type { IncomingHttpHeaders } from "node:http";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { FixedResponse } from "./fixed-response.ts";
import type { Peer } from "./peer.ts";
import type { TrailersOnly } from "./trailers-only.ts";

/** A request and its response, over either version of HTTP. */
export interface Exchange {
  readonly isHttp2: boolean;
  /** 1.0, 1.1 or 2.0. */
  readonly httpVersion: string;
  /**
   * When the headers arrived, by performance.now(). Over HTTP/1.1, when the requests before it on its
   * connection had been served, if that was later.
   */
  readonly arrivedAt: number;
  readonly method: string;
  /** The path with the query, or another form of the request target (RFC 9112, section 3.2). */
  readonly url: string;
  /** The host and the port that the request names; undefined if it names none. */
  readonly authority: string | undefined;
  readonly encrypted: boolean;
  /** Repeated headers are joined or dropped, as node:http does. */
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
  /** Stands for the connection, as a key. There is one object for each. */
  readonly connection: object;
  /** Whether no response can be sent any more. */
  readonly closed: boolean;
  /** Once it is closed: whether the whole response has been sent. */
  readonly complete: boolean;
  /** Whether the whole request has arrived. */
  readonly requestEnded: boolean;
  /** Calls the listener once, when the exchange is closed: after the response, a reset or a lost connection. */
  whenClosed(listener: () => void): void;
  /**
   * The body of the request, for one reader. A reader that stops early leaves the exchange open for
   * the response. What the client still sends after that is discarded.
   */
  readBody(): AsyncIterable<Uint8Array>;
  /** Sends a whole response. */
  respond(response: FixedResponse): void;
  /**
   * Sends a response of Connect, and resolves when all of it is on its way. If the exchange is closed
   * meanwhile, the response's body is closed too.
   *
   * @throws {Error} if the headers cannot be sent, or what the body throws
   */
  send(response: UniversalServerResponse | TrailersOnly): Promise<void>;
  /** Takes no more requests on the connection, and closes it after those that have begun. */
  closeConnection(): void;
  /**
   * Ends the connection of a client that goes on after many refusals: over HTTP/2 at once, over HTTP/1.1
   * after the response.
   */
  closeAbusedConnection(reason: string): void;
  /** Ends the exchange without a whole response: over HTTP/2 with a reset, over HTTP/1.1 with the connection. */
  destroy(): void;
}
