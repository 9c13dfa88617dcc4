import type {
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  ServerHttp2Stream,
} from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Exchange } from "./exchange.ts";
import { type FixedResponse, sendOnStream } from "./fixed-response.ts";
import { closeUnreadStream } from "./http2-streams.ts";
import { type Peer, peerOfSession } from "./peer.ts";
import { sendTrailersOnly, type TrailersOnly } from "./trailers-only.ts";

/** An exchange over HTTP/2. */
export class Http2Exchange implements Exchange {
  readonly isHttp2 = true;
  readonly httpVersion = "2.0";
  readonly #req: Http2ServerRequest;
  readonly #res: Http2ServerResponse;

  constructor(req: Http2ServerRequest, res: Http2ServerResponse) {
    this.#req = req;
    this.#res = res;
  }

  get #stream(): ServerHttp2Stream {
    return this.#req.stream;
  }

  get method(): string {
    return this.#req.method;
  }

  get url(): string {
    return this.#req.url;
  }

  get authority(): string | undefined {
    return this.#req.authority;
  }

  get encrypted(): boolean {
    return "encrypted" in this.#req.socket;
  }

  get headers(): IncomingHttpHeaders {
    return this.#req.headers;
  }

  get rawHeaders(): readonly string[] {
    return this.#req.rawHeaders;
  }

  get peer(): Peer {
    return peerOfSession(this.#stream.session);
  }

  get connection(): object {
    // A closed stream has no session any more.
    return this.#stream.session ?? this.#stream;
  }

  get closed(): boolean {
    return this.#stream.closed;
  }

  get complete(): boolean {
    return this.#res.writableEnded;
  }

  get requestEnded(): boolean {
    return this.#stream.readableEnded;
  }

  onClose(listener: () => void): void {
    this.#res.once("close", listener);
  }

  readBody(): AsyncIterable<Uint8Array> {
    return this.#req.iterator({ destroyOnReturn: false });
  }

  respond(response: FixedResponse): void {
    sendOnStream(this.#stream, response);
  }

  async send(response: UniversalServerResponse | TrailersOnly): Promise<void> {
    if ("trailersOnly" in response) {
      sendTrailersOnly(this.#res, response.trailersOnly);
    } else {
      // Not at "finish", which comes before the trailers are sent.
      this.#stream.once("wantTrailers", () => closeUnreadStream(this.#stream));
      await universalResponseToNodeResponse(response, this.#res);
    }
  }

  closeConnection(): void {
    this.#stream.session?.close();
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
