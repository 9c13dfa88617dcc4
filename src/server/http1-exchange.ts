import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Exchange } from "./exchange.ts";
import { type FixedResponse, sendOverHttp1 } from "./fixed-response.ts";
import { type Peer, peerOfSocket } from "./peer.ts";
import type { TrailersOnly } from "./trailers-only.ts";

/** An exchange over HTTP/1.1. */
export class Http1Exchange implements Exchange {
  readonly isHttp2 = false;
  readonly arrivedAt = performance.now();
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req;
    this.#res = res;
  }

  get httpVersion(): string {
    return this.#req.httpVersion;
  }

  get method(): string {
    return this.#req.method ?? "";
  }

  get url(): string {
    return this.#req.url ?? "";
  }

  get authority(): string | undefined {
    return this.#req.headers.host;
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
    return peerOfSocket(this.#req.socket);
  }

  get connection(): object {
    return this.#req.socket;
  }

  get closed(): boolean {
    return this.#res.closed;
  }

  get complete(): boolean {
    return this.#res.writableEnded;
  }

  get requestEnded(): boolean {
    return this.#req.readableEnded;
  }

  whenClosed(listener: () => void): void {
    this.#res.once("close", listener);
  }

  readBody(): AsyncIterable<Uint8Array> {
    const req = this.#req;
    // The client sends all of it before it reads the response, for as long as requestTimeout allows.
    this.#res.once("finish", () => {
      // The listener of an iterator that has stopped early would keep the stream from flowing.
      req.removeAllListeners("readable");
      req.resume();
    });
    // If it destroyed the request, that would close the connection before the response.
    return req.iterator({ destroyOnReturn: false });
  }

  respond(response: FixedResponse): void {
    sendOverHttp1(this.#res, response);
  }

  async send(response: UniversalServerResponse | TrailersOnly): Promise<void> {
    if ("trailersOnly" in response) throw new Error("HTTP/1.1 has no Trailers-Only responses");
    await universalResponseToNodeResponse(response, this.#res);
  }

  closeConnection(): void {
    this.#res.shouldKeepAlive = false;
  }

  closeAbusedConnection(): void {
    this.closeConnection();
  }

  destroy(): void {
    this.#req.socket.destroy();
  }
}
