import type { Duplex } from "node:stream";
import { CONNECTION_WINDOW, type ConnectionOptions, Endpoint } from "./endpoint.ts";
import { EARNED_BY_REQUEST, OVERSIZED_LIST_COST } from "./flood-limits.ts";
import type { Frame } from "./frame.ts";
import * as frames from "./frames.ts";
import { ErrorCode, Flag, FrameType, Http2Error, Setting } from "./frames.ts";
import { HeaderBlock } from "./header-block.ts";
import type { HeaderList } from "./header-list.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { areTrailers } from "./request-head.ts";
import { readSettings, settingsFrame } from "./settings.ts";
import { NOTHING, Stream } from "./stream.ts";

export type { ConnectionOptions } from "./endpoint.ts";

/** An encoded header block may be so many times as large as a header list. Above, it is not read. */
export const BLOCK_SIZE_FACTOR = 2;

/** Above so many octets that wait for the client's windows, no further request is accepted. */
export const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

/** How many decoded header lists are remembered. */
const HEADER_MEMO_ENTRIES = 16;

/**
 * The server's side of an HTTP/2 connection (RFC 9113), on any duplex stream.
 *
 * Its memory, besides what users of the engine keep, is at most:
 *
 *       CONNECTION_WINDOW                                  bodies that nobody has consumed
 *     + BLOCK_SIZE_FACTOR * maxHeaderListSize              a header block
 *     + 16 KiB                                             a part of a frame
 *     + 4 KiB + HEADER_MEMO_ENTRIES * maxHeaderListSize    the decoder
 *     + maxConcurrentStreams * (1 KiB + maxHeaderListSize) streams
 *     + MAX_UNSENT_BYTES + one response of each of them    what waits for windows
 *     + MAX_BACKLOG_BYTES + FLUSH_BYTES + ARENA_BYTES      what waits for the client to read
 *     + 128 * (FRAME_BURST + 2 * maxConcurrentStreams)     control frames
 *     + 32 * MAX_REMEMBERED_RESETS
 */
export class Connection extends Endpoint {
  readonly #decoder: HpackDecoder;
  /** The client's first SETTINGS have come. */
  #greeted = false;

  /** Serves the connection from now on. */
  constructor(socket: Duplex, options: ConnectionOptions) {
    super(socket, options);
    const { maxConcurrentStreams, maxHeaderListSize, maxHeaders } = options;
    this.#decoder = new HpackDecoder({
      tableSize: frames.DEFAULT_HEADER_TABLE_SIZE,
      maxListSize: maxHeaderListSize,
      maxFields: maxHeaders,
      memoEntries: HEADER_MEMO_ENTRIES,
    });
    this.output.control.push(
      settingsFrame([
        [Setting.MAX_CONCURRENT_STREAMS, maxConcurrentStreams],
        [Setting.MAX_HEADER_LIST_SIZE, maxHeaderListSize],
      ]),
    );
    this.send(FrameType.WINDOW_UPDATE, 0, 0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW);
    socket.on("data", (chunk: Buffer) => this.#onChunk(chunk));
    socket.resume();
  }

  #onChunk(chunk: Buffer): void {
    try {
      this.reader.read(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  protected override onFrame(frame: Frame): void {
    const { type } = frame;
    // Section 3.4.
    const isSettings = type === FrameType.SETTINGS && !frame.has(Flag.ACK);
    if (!this.#greeted && !isSettings) throw protocolError("the first frame is not SETTINGS");
    this.#greeted = true;
    // Section 6.10.
    if (this.block !== undefined && type !== FrameType.CONTINUATION) {
      throw protocolError("a header block is interrupted");
    }
    if (type === FrameType.DATA) this.#onData(frame);
    else if (type === FrameType.HEADERS) this.#onHeaders(frame);
    else if (type === FrameType.CONTINUATION) this.#onContinuation(frame);
    else if (type === FrameType.RST_STREAM) this.#onReset(frame);
    else if (type === FrameType.SETTINGS) this.#onSettings(frame);
    else if (type === FrameType.PING) this.#onPing(frame);
    else if (type === FrameType.GOAWAY) this.#onGoAway();
    else if (type === FrameType.WINDOW_UPDATE) this.#onWindowUpdate(frame);
    else if (type === FrameType.PRIORITY) this.limits.spend(1, "PRIORITY frames");
    else if (type !== FrameType.PUSH_PROMISE) this.limits.spend(1, "frames of unknown types");
    else throw protocolError("a client must not send PUSH_PROMISE");
  }

  /** Section 6.1. */
  #onData(frame: Frame): void {
    const { streamId, buffer, start, end, length } = frame;
    const stream = this.#openStream(frame);
    const last = frame.has(Flag.END_STREAM);
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) throw flowControlError("DATA exceeds the connection's window");
    if (start < end) this.limits.earnByBody(end - start);
    else if (!last) this.limits.spend(1, "empty DATA frames");

    const padding = length - (end - start);
    const fault = stream?.count(length, end - start, last);
    if (stream !== undefined && fault === undefined) {
      this.giveBack(padding);
      stream.returnCredit(padding);
      this.#deliver(stream, buffer, start, end, last);
      return;
    }
    this.giveBack(length);
    if (this.streams.isLate(streamId)) this.#onLate(streamId, "DATA", last);
    else this.streamError(streamId, fault ?? ErrorCode.STREAM_CLOSED);
  }

  #deliver(stream: Stream, buffer: Buffer, start: number, end: number, last: boolean): void {
    try {
      stream.deliver(buffer, start, end, last);
    } catch (error) {
      this.onDefect(stream, error);
    }
  }

  /** Section 6.2. */
  #onHeaders(frame: Frame): void {
    const { streamId, buffer, start, end } = frame;
    // Section 5.1.1.
    if ((streamId & 1) === 0) throw protocolError("HEADERS on a stream of the server");
    if (frame.has(Flag.END_HEADERS)) {
      this.#onHeaderBlock(streamId, frame.has(Flag.END_STREAM), buffer, start, end);
    } else {
      this.block = new HeaderBlock(frame, BLOCK_SIZE_FACTOR * this.options.maxHeaderListSize);
      this.block.append(frame);
    }
  }

  #onContinuation(frame: Frame): void {
    const block = this.block;
    if (block?.streamId !== frame.streamId) {
      throw protocolError("CONTINUATION does not follow HEADERS of its stream");
    }
    block.append(frame);
    if (!frame.has(Flag.END_HEADERS)) return;
    this.block = undefined;
    const whole = block.join();
    this.#onHeaderBlock(block.streamId, block.endStream, whole, 0, whole.length);
  }

  /** Is decoded whatever becomes of it, because it can change the dynamic table. */
  #onHeaderBlock(id: number, last: boolean, buffer: Buffer, start: number, end: number): void {
    const list = this.#decoder.decode(buffer, start, end);
    if (list === undefined) this.limits.spend(OVERSIZED_LIST_COST, "too large header lists");
    const stream = this.streams.open.get(id);
    if (stream !== undefined) this.#onTrailers(stream, list, last);
    else if (id > this.streams.lastId) this.#onNewStream(id, list, last);
    else if (this.streams.isLate(id)) this.#onLate(id, "HEADERS", last);
    else throw new Http2Error(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream");
  }

  #onNewStream(id: number, list: HeaderList | undefined, last: boolean): void {
    this.streams.lastId = id;
    const isFull = this.openStreams >= this.options.maxConcurrentStreams;
    const head = list?.head;
    if (this.streams.isLate(id)) this.#onLate(id, "HEADERS", last);
    else if (list === undefined) this.sendReset(id, ErrorCode.ENHANCE_YOUR_CALM);
    else if (isFull || this.output.unsentBytes > MAX_UNSENT_BYTES) {
      this.limits.spend(1, "streams over the limit");
      this.sendReset(id, ErrorCode.REFUSED_STREAM);
    } else if (head === undefined || (last && (head.contentLength ?? 0) > 0)) {
      // Section 8.1.1.
      this.streamError(id, ErrorCode.PROTOCOL_ERROR);
    } else {
      const stream = new Stream(this, id, list, head);
      stream.sendWindow = this.output.initialStreamWindow;
      stream.remoteEnded = last;
      this.#onRequest(stream);
    }
  }

  #onRequest(stream: Stream): void {
    this.streams.open.set(stream.id, stream);
    this.limits.earn(EARNED_BY_REQUEST);
    try {
      this.options.onRequest(stream);
    } catch (error) {
      this.onDefect(stream, error);
    }
  }

  /** Section 8.1. */
  #onTrailers(stream: Stream, list: HeaderList | undefined, last: boolean): void {
    const { contentLength = stream.received } = stream.head;
    if (stream.remoteEnded) this.streamError(stream.id, ErrorCode.STREAM_CLOSED);
    else if (list === undefined) this.streamError(stream.id, ErrorCode.ENHANCE_YOUR_CALM);
    else if (!last || stream.received !== contentLength || !areTrailers(list.fields)) {
      this.streamError(stream.id, ErrorCode.PROTOCOL_ERROR);
    } else {
      stream.trailers = list;
      this.#deliver(stream, NOTHING, 0, 0, true);
    }
  }

  /** Section 5.1: it may have been sent before the client saw that the stream was closed. */
  #onLate(id: number, type: string, last: boolean): void {
    this.limits.spend(1, `${type} frames on closed streams`);
    if (last) this.streams.forgetReset(id);
  }

  /** Section 6.4. */
  #onReset(frame: Frame): void {
    const stream = this.#openStream(frame);
    if (stream === undefined) this.#onLate(frame.streamId, "RST_STREAM", true);
    else {
      this.limits.spendReset();
      stream.resetCode = frame.buffer.readUInt32BE(frame.start);
      this.close(stream);
      this.options.onReset?.(stream);
    }
  }

  /** Section 6.5. */
  #onSettings(frame: Frame): void {
    const isAck = frame.has(Flag.ACK);
    if (!isAck || this.settingsAcknowledged) this.limits.spend(1, "SETTINGS frames");
    const settings = readSettings(frame);
    this.settingsAcknowledged ||= isAck;
    if (isAck) return;
    for (const [id, value] of settings) {
      if (id === Setting.HEADER_TABLE_SIZE) this.output.encoder.setTableSize(value);
      else if (id === Setting.INITIAL_WINDOW_SIZE && !this.output.resizeWindows(value)) {
        throw flowControlError("SETTINGS makes a stream's window too large");
      }
    }
    this.send(FrameType.SETTINGS, Flag.ACK, 0);
  }

  /** Section 6.7. */
  #onPing(frame: Frame): void {
    const { buffer, start } = frame;
    const isAck = frame.has(Flag.ACK);
    if (isAck && this.stage === "draining") this.finishDrain();
    else this.limits.spend(1, "PING frames");
    if (isAck) return;
    const [high, low] = [buffer.readUInt32BE(start), buffer.readUInt32BE(start + 4)];
    this.send(FrameType.PING, Flag.ACK, 0, high, low);
  }

  /** Section 6.8. The client will open no more streams. */
  #onGoAway(): void {
    this.limits.spend(1, "GOAWAY frames");
    this.finishDrain();
  }

  /** Section 6.9. */
  #onWindowUpdate(frame: Frame): void {
    this.limits.spend(1, "WINDOW_UPDATE frames");
    const bytes = frames.readUint31(frame.buffer, frame.start);
    if (bytes === 0) throw protocolError("WINDOW_UPDATE of 0");
    if (frame.streamId === 0) {
      if (!this.output.growWindow(bytes)) throw flowControlError("the window is too large");
      this.flushSoon();
      return;
    }
    const stream = this.#openStream(frame);
    if (stream === undefined) return;
    stream.sendWindow += bytes;
    if (stream.sendWindow > frames.MAX_WINDOW) {
      this.streamError(stream.id, ErrorCode.FLOW_CONTROL_ERROR);
    } else if (stream.unsentBytes > 0) this.sendSoon(stream, 0);
  }

  /** Undefined if the frame's stream is closed. */
  #openStream({ streamId }: Frame): Stream | undefined {
    if (this.streams.isIdle(streamId)) throw protocolError("a frame is on an idle stream");
    return this.streams.open.get(streamId);
  }
}

function protocolError(message: string): Http2Error {
  return new Http2Error(ErrorCode.PROTOCOL_ERROR, message);
}

function flowControlError(message: string): Http2Error {
  return new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, message);
}
