import { DEFAULT_WINDOW, ErrorCode, type FloodBudget } from "./frames.ts";
import type { HeaderList } from "./header-list.ts";
import type { EncodedHeaders } from "./hpack-encoder.ts";
import type { RequestHead } from "./request-head.ts";

/** What a client may send on a stream before the receiver has consumed any of it: the default. */
export const STREAM_WINDOW = DEFAULT_WINDOW;

/** Above so many unsent bytes of a stream, `write` asks to wait. */
const WRITE_HIGH_WATER_MARK = 64 * 1024;

/** A response has to bring so many octets forward in each time of the stall timeout. */
export const MIN_PROGRESS_BYTES = 1024;

export const NOTHING = Buffer.alloc(0);

/** Gets what the client sends on a stream, and its end. An exception ends the stream, and is reported. */
export interface StreamReceiver {
  /**
   * A part of the request's body, maybe empty. The buffer is the connection's: copy what has to stay.
   * `last`: the client has ended its side.
   */
  onData(buffer: Buffer, start: number, end: number, last: boolean): void;
  /** Called once: the response has left whole (`stream.complete`), or the stream or connection is lost. */
  onClose(): void;
  /** After `write` has returned false: there is room again. */
  onDrain?(): void;
}

/** The connection of a stream, as streams and their users see it. */
export interface StreamConnection {
  /** A place for what the user of the engine knows about the connection. */
  context: unknown;
  drain(): void;
  destroy(code: ErrorCode, reason: string, budget?: FloodBudget): void;
  /** For streams: this one has something to send, with so many new octets of its body. */
  sendSoon(stream: Stream, bodyBytes: number): void;
  /** For streams: the client may send so many octets more on the stream. */
  sendCredit(stream: Stream, bytes: number): void;
  /** For streams: the client may send so many octets more on the connection. */
  giveBack(bytes: number): void;
  /** For streams: closes it with RST_STREAM. */
  resetStream(stream: Stream, code: ErrorCode): void;
}

/**
 * A request and its response (RFC 9113, section 5). It is open until its response has left whole or it is
 * reset. What is sent on a closed stream is ignored, since the client can reset it at any time.
 */
export class Stream {
  readonly id: number;
  readonly connection: StreamConnection;
  readonly headers: HeaderList;
  readonly head: RequestHead;
  /** The request's trailers, if it has ended with some. */
  trailers: HeaderList | undefined = undefined;
  /** The client has ended its side. */
  remoteEnded = false;
  /** Nothing is received or sent any more. */
  closed = false;
  /** The response has left whole, which means that it has been written to the socket. */
  complete = false;
  /** The code of the RST_STREAM that the client has sent. */
  resetCode: number | undefined = undefined;

  // All else is for the connection.

  /** How much the client may send. */
  receiveWindow = STREAM_WINDOW;
  /** Octets of the body so far, to compare with content-length. */
  received = 0;
  /** Octets that were received and not consumed; and those to give back with WINDOW_UPDATE. */
  unconsumed = 0;
  credit = 0;

  /** How much may be sent. Negative after some changes of the client's settings (section 6.9.2). */
  sendWindow = 0;
  /** Octets of the response's body that have left. */
  sent = 0;
  /** What has not left. */
  unsentInterim: EncodedHeaders | undefined = undefined;
  unsentHead: EncodedHeaders | undefined = undefined;
  unsentParts: Uint8Array[] | undefined = undefined;
  unsentBytes = 0;
  unsentTrailers: EncodedHeaders | undefined = undefined;
  answered = false;
  /** Nothing comes after what is unsent. */
  ending = false;
  wantsDrain = false;
  /** In the list of streams that may send. */
  queued = false;

  #receiver: StreamReceiver | undefined = undefined;
  /** What arrived before there was a receiver: at most a window. */
  #kept = NOTHING;
  #keptLength = 0;
  /** Since when something waits to be sent, and what had been sent then. */
  #waitsSince: number | undefined = undefined;
  #sentBefore = 0;

  constructor(connection: StreamConnection, id: number, headers: HeaderList, head: RequestHead) {
    this.connection = connection;
    this.id = id;
    this.headers = headers;
    this.head = head;
  }

  get receiver(): StreamReceiver | undefined {
    return this.#receiver;
  }

  /**
   * Until it is set, what arrives is kept. The receiver gets it at once, within the assignment: the body
   * so far, the end of the request, or that the stream is closed.
   */
  set receiver(receiver: StreamReceiver | undefined) {
    this.#receiver = receiver;
    const kept = this.#kept.subarray(0, this.#keptLength);
    this.#kept = NOTHING;
    this.#keptLength = 0;
    if (this.closed) receiver?.onClose();
    else if (kept.length > 0 || this.remoteEnded) {
      receiver?.onData(kept, 0, kept.length, this.remoteEnded);
    }
  }

  /**
   * A whole response, in one go. Without body and trailers, the headers end the stream. The body must not
   * be changed afterwards. @throws {Error} if there is a response already
   */
  respond(head: EncodedHeaders, body?: Uint8Array, trailers?: EncodedHeaders): void {
    this.sendHeaders(head);
    if (body !== undefined) this.write(body);
    this.end(trailers);
  }

  /** Sends headers that precede those of the response, such as `:status` 100 to who expects it. */
  sendInterim(head: EncodedHeaders): void {
    if (this.answered) return;
    this.unsentInterim = head;
    this.connection.sendSoon(this, 0);
  }

  /** Begins a response in parts. @throws {Error} if there is a response already */
  sendHeaders(head: EncodedHeaders): void {
    if (this.answered) throw new Error("the stream has a response already");
    this.answered = true;
    this.unsentHead = head;
    this.connection.sendSoon(this, 0);
  }

  /**
   * Sends a part of the body, which must not be changed afterwards. Returns false if much is waiting: the
   * receiver's onDrain tells when to go on. @throws {Error} before the headers, or after the end
   */
  write(data: Uint8Array): boolean {
    this.#checkResponse();
    if (this.closed || data.length === 0) return true;
    if (this.unsentParts === undefined) this.unsentParts = [data];
    else this.unsentParts.push(data);
    this.unsentBytes += data.length;
    this.connection.sendSoon(this, data.length);
    this.wantsDrain = this.unsentBytes >= WRITE_HIGH_WATER_MARK;
    return !this.wantsDrain;
  }

  /** Ends a response in parts. @throws {Error} before the headers, or after the end */
  end(trailers?: EncodedHeaders): void {
    this.#checkResponse();
    this.unsentTrailers = trailers;
    this.ending = true;
    this.connection.sendSoon(this, 0);
  }

  /** Lets the client send so many bytes more: call it when bytes of onData have been used. */
  consume(bytes: number): void {
    const used = Math.min(bytes, this.unconsumed);
    this.unconsumed -= used;
    this.connection.giveBack(used);
    this.returnCredit(used);
  }

  /** Closes the stream with RST_STREAM. The receiver's onClose is called before this returns. */
  reset(code: ErrorCode): void {
    if (!this.closed) this.connection.resetStream(this, code);
  }

  /** For the connection: counts DATA; `length` is with padding. Returns why it is a stream error. */
  count(length: number, bodyBytes: number, last: boolean): ErrorCode | undefined {
    if (this.remoteEnded) return ErrorCode.STREAM_CLOSED;
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) return ErrorCode.FLOW_CONTROL_ERROR;
    this.received += bodyBytes;
    const { contentLength = this.received } = this.head;
    const isWrong = last ? this.received !== contentLength : this.received > contentLength;
    // Section 8.1.1.
    return isWrong ? ErrorCode.PROTOCOL_ERROR : undefined;
  }

  /** For the connection: hands over a part of the body. */
  deliver(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.remoteEnded ||= last;
    this.unconsumed += end - start;
    if (this.#receiver === undefined) this.#keep(buffer, start, end);
    else this.#receiver.onData(buffer, start, end, last);
  }

  /** For the connection: gives octets of the stream's window back, in larger amounts. */
  returnCredit(bytes: number): void {
    this.credit += bytes;
    if (this.credit < STREAM_WINDOW / 2 || this.remoteEnded || this.closed) return;
    this.receiveWindow += this.credit;
    this.connection.sendCredit(this, this.credit);
    this.credit = 0;
  }

  /** For the connection: moves so many unsent octets to `out`, which are sent with that. */
  take(bytes: number, out: Buffer, at: number): void {
    const parts = this.unsentParts as Uint8Array[];
    for (let left = bytes; left > 0; ) {
      const part = parts[0] as Uint8Array;
      const taken = part.length > left ? part.subarray(0, left) : part;
      out.set(taken, at + bytes - left);
      left -= taken.length;
      if (taken === part) parts.shift();
      else parts[0] = part.subarray(taken.length);
    }
    this.unsentBytes -= bytes;
    this.sendWindow -= bytes;
    this.sent += bytes;
  }

  /** Whether the client gives no window for too long. To be asked about once a second. */
  isStalled(now: number, timeoutMs: number): boolean {
    const waits = this.unsentBytes > 0;
    const since = this.#waitsSince;
    const moves = this.sent - this.#sentBefore >= MIN_PROGRESS_BYTES;
    if (waits && since !== undefined && !moves) return now - since > timeoutMs;
    this.#waitsSince = waits ? now : undefined;
    this.#sentBefore = this.sent;
    return false;
  }

  #keep(buffer: Buffer, start: number, end: number): void {
    const length = this.#keptLength + end - start;
    if (length > this.#kept.length) {
      const larger = Buffer.allocUnsafe(2 * length);
      this.#kept.copy(larger, 0, 0, this.#keptLength);
      this.#kept = larger;
    }
    buffer.copy(this.#kept, this.#keptLength, start, end);
    this.#keptLength = length;
  }

  #checkResponse(): void {
    if (!this.answered) throw new Error("the response has no headers yet");
    if (this.ending) throw new Error("the response has ended already");
  }
}
