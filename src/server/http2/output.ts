import type { Duplex } from "node:stream";
import { Arena } from "./arena.ts";
import * as frames from "./frames.ts";
import { ErrorCode, Flag, FRAME_HEAD_BYTES, FrameType, writeFrameHead } from "./frames.ts";
import { type EncodedHeaders, HpackEncoder } from "./hpack-encoder.ts";
import type { Stream } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/** Above so many octets that the client has not read, nothing is written to its socket. */
export const MAX_BACKLOG_BYTES = 256 * 1024;

/** A flush writes this and one frame at most, before other connections have their turn. */
export const FLUSH_BYTES = 256 * 1024;

/** The largest payload that is sent. All clients accept it, and larger ones delay other streams. */
const MAX_PAYLOAD_BYTES = frames.DEFAULT_MAX_FRAME_SIZE;

/** One for all connections. */
const arena = new Arena();

/** What leaves on a connection, as far as the client's windows allow (RFC 9113, section 5.2). */
export class Output {
  /** Frames about the connection and its streams. Limits of what makes the server send them bound them. */
  readonly control: Buffer[] = [];
  readonly encoder = new HpackEncoder();
  /** How much may be sent on a new stream (section 6.9.2). */
  initialStreamWindow = frames.DEFAULT_WINDOW;
  /** Octets of bodies that streams have to send, and that the socket has got. */
  unsentBytes = 0;
  writtenBodies = 0;

  readonly #socket: Duplex;
  readonly #streams: StreamTable;
  /** Streams that may send. */
  #ready: Stream[] = [];
  /** How much may be sent on all streams (section 6.9.1). */
  #window = frames.DEFAULT_WINDOW;
  /** Windows have grown of which all waiting streams may have a part. */
  #grown = false;
  /** Octets that the socket has got; and those that it had got at a time when all before were read. */
  #written = 0;
  #readMark = 0;
  #readAt = 0;

  constructor(socket: Duplex, streams: StreamTable) {
    this.#socket = socket;
    this.#streams = streams;
  }

  get hasWork(): boolean {
    return this.control.length > 0 || this.#ready.length > 0 || this.#grown;
  }

  /** The client does not read. The socket's "drain" tells when that is over. */
  get backlogged(): boolean {
    return this.#socket.writableNeedDrain && this.#socket.writableLength > MAX_BACKLOG_BYTES;
  }

  /** Whether the client reads nothing for too long. To be asked about once a second. */
  isUnread(now: number, timeoutMs: number): boolean {
    const isRead = this.#written - this.#socket.writableLength >= this.#readMark;
    if (!isRead) return now - this.#readAt > timeoutMs;
    this.#readMark = this.#written;
    this.#readAt = now;
    return false;
  }

  /** The stream has something to send, or a larger window; `bodyBytes` of its body are new. */
  add(stream: Stream, bodyBytes: number): void {
    this.unsentBytes += bodyBytes;
    if (stream.queued) return;
    stream.queued = true;
    this.#ready.push(stream);
  }

  /** The stream is closed: nothing more of it is sent. */
  drop(stream: Stream): void {
    this.unsentBytes -= stream.unsentBytes;
    stream.unsentBytes = 0;
    stream.wantsDrain = false;
  }

  /** The window of the connection. Returns false if it is too large then. */
  growWindow(bytes: number): boolean {
    this.#grown ||= this.#window <= 0;
    this.#window += bytes;
    return this.#window <= frames.MAX_WINDOW;
  }

  /** Section 6.9.2: the windows of all streams, which can become negative. False: one is too large. */
  resizeWindows(initial: number): boolean {
    const growth = initial - this.initialStreamWindow;
    this.initialStreamWindow = initial;
    this.#grown ||= growth > 0;
    let largest = 0;
    for (const stream of this.#streams.open.values()) {
      stream.sendWindow += growth;
      largest = Math.max(largest, stream.sendWindow);
    }
    return largest <= frames.MAX_WINDOW;
  }

  /** Writes the control frames only. */
  flushControl(): void {
    arena.begin(this.#socket);
    this.#writeControl();
    this.#written += arena.end();
  }

  /**
   * Writes what there is. Calls nobody meanwhile, because all connections share the arena. Returns the
   * streams that have sent all that they had.
   */
  flush(): readonly Stream[] {
    if (this.#grown) this.#addWaiting();
    const ready = this.#ready;
    this.#ready = [];
    const done: Stream[] = [];
    arena.begin(this.#socket);
    this.#writeControl();
    for (const stream of ready) {
      stream.queued = false;
      if (!stream.closed && this.#write(stream)) done.push(stream);
    }
    this.#written += arena.end();
    return done;
  }

  #writeControl(): void {
    for (const frame of this.control) {
      arena.reserve(frame.length);
      arena.at += frame.copy(arena.buffer, arena.at);
    }
    this.control.length = 0;
  }

  #addWaiting(): void {
    this.#grown = false;
    if (this.#window <= 0) return;
    for (const stream of this.#streams.open.values()) {
      if (stream.unsentBytes > 0 && stream.sendWindow > 0) this.add(stream, 0);
    }
  }

  /** Returns true if the stream has nothing more to send for now. */
  #write(stream: Stream): boolean {
    const { id, ending, unsentTrailers } = stream;
    if (stream.unsentInterim !== undefined) {
      this.#writeHeaders(id, stream.unsentInterim, false);
      stream.unsentInterim = undefined;
    }
    // What ends the stream: the trailers, else the last of the rest, else an empty frame.
    const endStream = ending && unsentTrailers === undefined;
    let isEnded = false;
    if (stream.unsentHead !== undefined) {
      isEnded = endStream && stream.unsentBytes === 0;
      this.#writeHeaders(id, stream.unsentHead, isEnded);
      stream.unsentHead = undefined;
    }
    if (stream.unsentBytes > 0) {
      isEnded = endStream;
      if (!this.#writeBody(stream, endStream)) return false;
    }
    if (!ending) return true;
    if (unsentTrailers !== undefined) this.#writeHeaders(id, unsentTrailers, true);
    else if (!isEnded) this.#writeDataHead(id, 0, Flag.END_STREAM);
    // Section 8.1: the rest of the request is not wanted. The reset leaves with the next flush: Node's
    // client never closes a stream that is reset in the same read that ends its response, if it waits
    // for room to send.
    if (!stream.remoteEnded) {
      this.control.push(frames.encodeFrame(FrameType.RST_STREAM, 0, id, ErrorCode.NO_ERROR));
      this.#streams.rememberReset(id);
    }
    this.#streams.close(stream);
    stream.complete = true;
    return true;
  }

  /** Returns false if some of it has to wait: for a window, or for the next flush. */
  #writeBody(stream: Stream, endStream: boolean): boolean {
    const before = stream.sent;
    while (stream.unsentBytes > 0) {
      const window = Math.min(this.#window, stream.sendWindow);
      const length = Math.min(MAX_PAYLOAD_BYTES, stream.unsentBytes, window);
      if (length <= 0 || arena.length >= FLUSH_BYTES) {
        if (length > 0) this.add(stream, 0);
        else if (stream.sent > before) this.#streams.moveToEnd(stream);
        return false;
      }
      const isLast = endStream && length === stream.unsentBytes;
      this.#writeDataHead(stream.id, length, isLast ? Flag.END_STREAM : 0);
      stream.take(length, arena.buffer, arena.at);
      arena.at += length;
      this.#window -= length;
      this.unsentBytes -= length;
      this.writtenBodies += length;
    }
    return true;
  }

  /** Reserves room for the payload, too. */
  #writeDataHead(streamId: number, length: number, flags: number): void {
    arena.reserve(FRAME_HEAD_BYTES + length);
    arena.at = writeFrameHead(arena.buffer, arena.at, length, FrameType.DATA, flags, streamId);
  }

  /** Sections 6.2 and 6.10. */
  #writeHeaders(streamId: number, headers: EncodedHeaders, endStream: boolean): void {
    arena.reserve(FRAME_HEAD_BYTES + headers.maxBytes);
    const start = arena.at + FRAME_HEAD_BYTES;
    const end = this.encoder.write(headers, arena.buffer, start);
    const flags = Flag.END_HEADERS | (endStream ? Flag.END_STREAM : 0);
    if (end - start > MAX_PAYLOAD_BYTES) {
      this.#writeLongBlock(streamId, Buffer.from(arena.buffer.subarray(start, end)), flags);
      return;
    }
    writeFrameHead(arena.buffer, arena.at, end - start, FrameType.HEADERS, flags, streamId);
    arena.at = end;
  }

  #writeLongBlock(streamId: number, block: Buffer, flags: number): void {
    for (let start = 0; start < block.length; start += MAX_PAYLOAD_BYTES) {
      const part = block.subarray(start, start + MAX_PAYLOAD_BYTES);
      const type = start === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
      const isLast = start + part.length === block.length;
      const ofPart = (start === 0 ? Flag.END_STREAM : 0) | (isLast ? Flag.END_HEADERS : 0);
      arena.reserve(FRAME_HEAD_BYTES + part.length);
      const { buffer, at } = arena;
      const payloadAt = writeFrameHead(buffer, at, part.length, type, flags & ofPart, streamId);
      arena.at = payloadAt + part.copy(buffer, payloadAt);
    }
  }
}
