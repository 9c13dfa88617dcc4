import type { IncomingHttpHeaders } from "node:http";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Exchange } from "./exchange.ts";
import type { FairTurns } from "./fair-turns.ts";
import type { FixedResponse } from "./fixed-response.ts";
import { ErrorCode } from "./http2/frames.ts";
import { type EncodedHeaders, encodeHeaders } from "./http2/hpack-encoder.ts";
import type { Stream, StreamReceiver } from "./http2/stream.ts";
import { clientOf } from "./http2-client.ts";
import type { Peer } from "./peer.ts";
import { RequestBody } from "./request-body.ts";
import { joinHeaders } from "./request-headers.ts";
import type { ResponseBody } from "./response-body.ts";
import { encodeResponseHeaders, encodeTrailers } from "./response-headers.ts";
import type { TrailersOnly } from "./trailers-only.ts";
import { urlAuthority } from "./url-authority.ts";

const NOTHING = Buffer.alloc(0);

const continueHeaders = encodeHeaders([":status", "100"]);

/** What had arrived of a request's body before its exchange began. */
export interface ReceivedBody {
  readonly bytes: Uint8Array;
  /** There is no more. */
  readonly whole: boolean;
}

/** An exchange over HTTP/2. */
export class Http2Exchange implements Exchange, StreamReceiver {
  readonly isHttp2 = true;
  readonly httpVersion = "2.0";
  readonly arrivedAt: number;
  readonly #stream: Stream;
  readonly #turns: FairTurns;
  /** The turn that has counted the request; undefined if none has. */
  #begunIn: number | undefined;
  readonly #body: RequestBody;
  readonly #closeListeners: (() => void)[] = [];
  #headers: IncomingHttpHeaders | undefined;
  /** Resolves when there is room for more of the response, or when the stream is closed. */
  #room: PromiseWithResolvers<void> | undefined;

  /** @param turns where the ends of bodies wait if very many come at once */
  constructor(stream: Stream, arrivedAt: number, turns: FairTurns) {
    this.#stream = stream;
    this.arrivedAt = arrivedAt;
    this.#turns = turns;
    this.#begunIn = turns.current;
    this.#body = new RequestBody((bytes) => stream.consume(bytes));
  }

  /** Receives the body from now on, of which `received` has arrived before. */
  begin(received?: ReceivedBody): void {
    if (received !== undefined) {
      const { bytes, whole } = received;
      this.#begunIn = undefined;
      this.#receive(bytes, 0, bytes.length, whole);
    }
    this.#stream.receiver = this;
  }

  get method(): string {
    return this.#stream.head.method;
  }

  get url(): string {
    return this.#stream.head.path;
  }

  get authority(): string {
    return urlAuthority(this.#stream.head.authority);
  }

  get encrypted(): boolean {
    return clientOf(this.#stream).encrypted;
  }

  get headers(): IncomingHttpHeaders {
    this.#headers ??= joinHeaders(this.rawHeaders);
    return this.#headers;
  }

  get rawHeaders(): readonly string[] {
    return this.#stream.headers.raw;
  }

  get peer(): Peer {
    return clientOf(this.#stream).peer;
  }

  get connection(): object {
    return this.#stream.connection;
  }

  get closed(): boolean {
    return this.#stream.closed;
  }

  get complete(): boolean {
    return this.#stream.complete;
  }

  get requestEnded(): boolean {
    return this.#stream.remoteEnded;
  }

  whenClosed(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  readBody(): AsyncIterable<Uint8Array> {
    return this.#body.read();
  }

  /** Asks a client to send the body that has waited for it (RFC 9110, section 15.2.1). */
  sendContinue(): void {
    this.#stream.sendInterim(continueHeaders);
  }

  respond({ status, headers, body }: FixedResponse): void {
    const encoded = encodeResponseHeaders(status, Object.entries(headers));
    this.#stream.respond(encoded, this.method === "HEAD" ? undefined : body);
  }

  async send(response: UniversalServerResponse | TrailersOnly): Promise<void> {
    if ("trailersOnly" in response) {
      this.#stream.respond(encodeResponseHeaders(200, response.trailersOnly));
      return;
    }
    const { status, header = [], body, trailer } = response;
    if (body === undefined) {
      this.#stream.respond(encodeResponseHeaders(status, header));
      return;
    }
    // The handler may set headers until the first chunk, and trailers until the last.
    await this.#sendBody(body, () => encodeResponseHeaders(status, header));
    this.#stream.end(trailer && encodeTrailers(trailer));
  }

  async #sendBody(body: ResponseBody, head: () => EncodedHeaders): Promise<void> {
    const chunks = body[Symbol.asyncIterator]();
    try {
      let chunk = await chunks.next();
      this.#stream.sendHeaders(head());
      for (; chunk.done !== true && !this.closed; chunk = await chunks.next()) {
        if (!this.#stream.write(chunk.value)) await this.#waitForRoom();
      }
    } finally {
      // Not awaited: it waits for a handler that has not noticed yet that the client has gone.
      chunks.return?.().catch(() => {});
    }
  }

  async #waitForRoom(): Promise<void> {
    this.#room = Promise.withResolvers();
    await this.#room.promise;
  }

  closeConnection(): void {
    this.#stream.connection.drain();
  }

  closeAbusedConnection(reason: string): void {
    this.#stream.connection.destroy(ErrorCode.ENHANCE_YOUR_CALM, reason, "streams");
  }

  destroy(): void {
    this.#stream.reset(ErrorCode.INTERNAL_ERROR);
  }

  onData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.#receive(buffer, start, end, last);
  }

  /** A handler runs when the body is whole. */
  #receive(part: Uint8Array, start: number, end: number, last: boolean): void {
    const ends = last && this.#turns.resume(this.#begunIn);
    this.#body.add(part, start, end, ends);
    if (ends || !last) return;
    this.#turns.wait(this.#stream.connection, () => {
      if (this.#stream.closed) return false;
      this.#body.add(NOTHING, 0, 0, true);
      return true;
    });
  }

  onDrain(): void {
    this.#room?.resolve();
  }

  onClose(): void {
    for (const closed of this.#closeListeners.splice(0)) closed();
    this.#room?.resolve();
    this.#body.close();
  }
}
