import type { Duplex } from "node:stream";
import { Http2Error } from "./errors.ts";
import {
  EARNED_BY_REQUEST,
  EARNED_BY_SENDING,
  FloodLimits,
  OVERSIZED_LIST_COST,
} from "./flood-limits.ts";
import { type Flushable, flushSoon } from "./flush-turn.ts";
import type { Frame } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import * as frames from "./frames.ts";
import { ErrorCode, Flag, FrameType, MAX_STREAM_ID, Setting } from "./frames.ts";
import { HeaderBlock } from "./header-block.ts";
import type { HeaderList } from "./header-list.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { Output } from "./output.ts";
import { areTrailers } from "./request-head.ts";
import { readSettings, settingsFrame } from "./settings.ts";
import { Stream, type StreamConnection } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** What all streams of a connection may send together before receivers have consumed any of it. */
export const CONNECTION_WINDOW = 1024 * 1024;

/** Used octets of the connection's window are given back when they are this many. */
const CREDIT_BYTES = CONNECTION_WINDOW >>> 1;

/** An encoded header block may be so many times as large as a header list. Above, it is not read. */
export const BLOCK_SIZE_FACTOR = 2;

/** Above so many octets that wait for the client's windows, no further request is accepted. */
export const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

/** How long a frame or header block may take from its first octet to its last. */
export const INCOMPLETE_TIMEOUT_MS = 10_000;

/** How long the first GOAWAY of a drain may take to reach a client that does not answer PING. */
const DRAIN_STEP_MS = 1000;

/** How long a client may keep its side open after the server has closed its own. */
export const HALF_OPEN_TIMEOUT_MS = 2000;

/** How many decoded header lists are remembered. */
const HEADER_MEMO_ENTRIES = 16;

const NOTHING = Buffer.alloc(0);

export interface ConnectionOptions {
  /** Advertised. Streams above it are refused. Also how many resets a client may cause each second. */
  readonly maxConcurrentStreams: number;
  /** Octets, as RFC 9113, section 6.5.2, counts them. Advertised. Requests above it are reset. */
  readonly maxHeaderListSize: number;
  /** How many fields a header list may have, pseudo-headers included. Requests above it are reset. */
  readonly maxHeaders: number;
  /** How long a client may take to acknowledge the server's settings. */
  readonly settingsTimeoutMs: number;
  /** How long a response may wait for a client that does not read it or gives it no window. */
  readonly stallTimeoutMs: number;
  /** A well-formed request. The stream's receiver is set now or later. */
  onRequest(stream: Stream): void;
  /**
   * The client has reset an open stream (`stream.resetCode`), or made the server reset it by a fault
   * (CVE-2025-8671). The stream is closed already. May destroy the connection.
   */
  onReset?(stream: Stream): void;
  /** A limit against floods was exceeded. Called once, with GOAWAY of ENHANCE_YOUR_CALM. */
  onAbuse?(reason: string): void;
  /** The connection ends for another fault of the client, or of the network. */
  onConnectionError?(error: Error): void;
  /** A defect: an exception of a receiver, of `onRequest`, or of the engine. */
  onError(error: unknown, where: string): void;
  /** The socket is closed. Called once. */
  onClose(): void;
}

/** Draining: the first GOAWAY was sent. Drained: the second, too. Ended: what arrives is discarded. */
type Stage = "open" | "draining" | "drained" | "ended";

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
 *     + 17 * (FRAME_BURST + 2 * maxConcurrentStreams)      control frames
 *     + 32 * MAX_REMEMBERED_RESETS
 */
export class Connection implements StreamConnection, Flushable {
  readonly socket: Duplex;
  context: unknown = undefined;
  /** When the last stream was closed or the connection begun. Of performance.now(). */
  idleSince = performance.now();

  readonly #options: ConnectionOptions;
  readonly #reader = new FrameReader((frame) => this.#onFrame(frame));
  readonly #streams = new StreamTable();
  readonly #decoder: HpackDecoder;
  readonly #output: Output;
  readonly #limits: FloodLimits;

  readonly #begunAt = performance.now();
  #stage: Stage = "open";
  #stageSince = this.#begunAt;

  #greeted = false;
  #settingsAcknowledged = false;
  #block: HeaderBlock | undefined = undefined;
  #receiveWindow = CONNECTION_WINDOW;
  #credit = 0;
  #flushes = false;

  /** Serves the connection from now on. */
  constructor(socket: Duplex, options: ConnectionOptions) {
    const { maxConcurrentStreams, maxHeaderListSize, maxHeaders } = options;
    this.socket = socket;
    this.#options = options;
    this.#decoder = new HpackDecoder({
      tableSize: frames.DEFAULT_HEADER_TABLE_SIZE,
      maxListSize: maxHeaderListSize,
      maxFields: maxHeaders,
      memoEntries: HEADER_MEMO_ENTRIES,
    });
    this.#output = new Output(socket, this.#streams);
    this.#limits = new FloodLimits(maxConcurrentStreams);
    this.#output.control.addWhole(
      settingsFrame([
        [Setting.MAX_CONCURRENT_STREAMS, maxConcurrentStreams],
        [Setting.MAX_HEADER_LIST_SIZE, maxHeaderListSize],
      ]),
    );
    this.#send(FrameType.WINDOW_UPDATE, 0, 0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW);

    socket.on("data", (chunk: Buffer) => this.#onChunk(chunk));
    socket.on("drain", () => this.#onDrain());
    socket.on("error", (error) => options.onConnectionError?.(error));
    socket.on("end", () => this.#onEnd());
    socket.once("close", () => this.#onClose());
    socket.resume();
  }

  get openStreams(): number {
    return this.#streams.open.size;
  }

  get draining(): boolean {
    return this.#stage !== "open";
  }

  /** Refuses new streams, and ends the connection with the last open one: two GOAWAYs (section 6.8). */
  drain(): void {
    if (this.draining) return;
    this.#enter("draining");
    this.#send(FrameType.GOAWAY, 0, 0, MAX_STREAM_ID, ErrorCode.NO_ERROR);
    this.#send(FrameType.PING, 0, 0, 0, 0);
  }

  /** Ends the connection at once with GOAWAY. With ENHANCE_YOUR_CALM, onAbuse gets the reason. */
  destroy(code: ErrorCode, reason: string): void {
    if (this.#stage === "ended") return;
    const { lastId, lastServedId } = this.#streams;
    // Section 6.8: never above that of an earlier GOAWAY.
    this.#send(FrameType.GOAWAY, 0, 0, Math.min(lastId, lastServedId), code);
    this.#end();
    this.#output.flushControl();
    this.socket.end();
    this.#closeStreams();
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.#options.onAbuse?.(reason);
  }

  /** What happens by time. To be called about once a second, with performance.now(). */
  tick(now: number): void {
    try {
      this.#limits.elapse(now);
      if (this.#output.isUnread(now, this.#options.stallTimeoutMs)) this.socket.destroy();
      else if (this.#stage === "ended") this.#checkHalfOpen(now);
      else this.#checkTimes(now);
    } catch (error) {
      this.#fail(error);
    }
  }

  // ---- What the client sends

  #onChunk(chunk: Buffer): void {
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#fail(error);
    }
  }

  #onFrame(frame: Frame): void {
    const { type } = frame;
    // Section 3.4.
    const isSettings = type === FrameType.SETTINGS && !frame.has(Flag.ACK);
    if (!this.#greeted && !isSettings) throw protocolError("the first frame is not SETTINGS");
    this.#greeted = true;
    // Section 6.10.
    if (this.#block !== undefined && type !== FrameType.CONTINUATION) {
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
    else if (type === FrameType.PRIORITY) this.#limits.spend(1, "PRIORITY frames");
    else if (type !== FrameType.PUSH_PROMISE) this.#limits.spend(1, "frames of unknown types");
    else throw protocolError("a client must not send PUSH_PROMISE");
  }

  /** Section 6.1. */
  #onData(frame: Frame): void {
    const { streamId, buffer, start, end, length } = frame;
    const stream = this.#openStream(frame);
    const last = frame.has(Flag.END_STREAM);
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw flowControlError("DATA exceeds the connection's window");
    if (start < end) this.#limits.earnByBody(end - start);
    else if (!last) this.#limits.spend(1, "empty DATA frames");

    const padding = length - (end - start);
    const fault = stream?.count(length, end - start, last);
    if (stream !== undefined && fault === undefined) {
      this.giveBack(padding);
      stream.returnCredit(padding);
      this.#deliver(stream, buffer, start, end, last);
      return;
    }
    this.giveBack(length);
    if (this.#streams.isLate(streamId)) this.#onLate(streamId, "DATA", last);
    else this.#streamError(streamId, fault ?? ErrorCode.STREAM_CLOSED);
  }

  #deliver(stream: Stream, buffer: Buffer, start: number, end: number, last: boolean): void {
    try {
      stream.deliver(buffer, start, end, last);
    } catch (error) {
      this.#onDefect(stream, error);
    }
  }

  /** Section 6.2. */
  #onHeaders(frame: Frame): void {
    const { streamId, buffer, start, end } = frame;
    // Section 5.1.1.
    if ((streamId & 1) === 0) throw protocolError("HEADERS on a stream of the server");
    const last = frame.has(Flag.END_STREAM);
    if (frame.has(Flag.END_HEADERS)) {
      this.#onHeaderBlock(streamId, last, buffer, start, end);
      return;
    }
    const maxBytes = BLOCK_SIZE_FACTOR * this.#options.maxHeaderListSize;
    this.#block = new HeaderBlock(streamId, last, maxBytes);
    this.#block.append(buffer, start, end);
  }

  #onContinuation(frame: Frame): void {
    const block = this.#block;
    if (block?.streamId !== frame.streamId) {
      throw protocolError("CONTINUATION does not follow HEADERS of its stream");
    }
    block.append(frame.buffer, frame.start, frame.end);
    if (!frame.has(Flag.END_HEADERS)) return;
    this.#block = undefined;
    const whole = block.join();
    this.#onHeaderBlock(block.streamId, block.endStream, whole, 0, whole.length);
  }

  /** Is decoded whatever becomes of it, because it can change the dynamic table. */
  #onHeaderBlock(id: number, last: boolean, buffer: Buffer, start: number, end: number): void {
    const list = this.#decoder.decode(buffer, start, end);
    if (list === undefined) this.#limits.spend(OVERSIZED_LIST_COST, "too large header lists");
    const stream = this.#streams.open.get(id);
    if (stream !== undefined) this.#onTrailers(stream, list, last);
    else if (id > this.#streams.lastId) this.#onNewStream(id, list, last);
    else if (this.#streams.isLate(id)) this.#onLate(id, "HEADERS", last);
    else throw new Http2Error(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream");
  }

  #onNewStream(id: number, list: HeaderList | undefined, last: boolean): void {
    this.#streams.lastId = id;
    const isFull = this.openStreams >= this.#options.maxConcurrentStreams;
    const head = list?.head;
    if (this.#streams.isLate(id)) this.#onLate(id, "HEADERS", last);
    else if (list === undefined) this.#sendReset(id, ErrorCode.ENHANCE_YOUR_CALM);
    else if (isFull || this.#output.unsentBytes > MAX_UNSENT_BYTES) {
      this.#limits.spend(1, "streams over the limit");
      this.#sendReset(id, ErrorCode.REFUSED_STREAM);
    } else if (head === undefined || (last && (head.contentLength ?? 0) > 0)) {
      // Section 8.1.1.
      this.#streamError(id, ErrorCode.PROTOCOL_ERROR);
    } else {
      const window = this.#output.initialStreamWindow;
      this.#onRequest(new Stream(this, id, list, head, window, last));
    }
  }

  #onRequest(stream: Stream): void {
    this.#streams.open.set(stream.id, stream);
    this.#limits.earn(EARNED_BY_REQUEST);
    try {
      this.#options.onRequest(stream);
    } catch (error) {
      this.#onDefect(stream, error);
    }
  }

  /** Section 8.1. */
  #onTrailers(stream: Stream, list: HeaderList | undefined, last: boolean): void {
    const { contentLength = stream.received } = stream.head;
    if (stream.remoteEnded) this.#streamError(stream.id, ErrorCode.STREAM_CLOSED);
    else if (list === undefined) this.#streamError(stream.id, ErrorCode.ENHANCE_YOUR_CALM);
    else if (!last || stream.received !== contentLength || !areTrailers(list.fields)) {
      this.#streamError(stream.id, ErrorCode.PROTOCOL_ERROR);
    } else {
      stream.trailers = list;
      this.#deliver(stream, NOTHING, 0, 0, true);
    }
  }

  /** Section 5.1: it may have been sent before the client saw that the stream was closed. */
  #onLate(id: number, type: string, last: boolean): void {
    this.#limits.spend(1, `${type} frames on closed streams`);
    if (last) this.#streams.forgetReset(id);
  }

  /** Section 6.4. */
  #onReset(frame: Frame): void {
    const stream = this.#openStream(frame);
    if (stream === undefined) {
      this.#onLate(frame.streamId, "RST_STREAM", true);
      return;
    }
    this.#limits.spendReset();
    stream.resetCode = frame.buffer.readUInt32BE(frame.start);
    this.#close(stream);
    this.#options.onReset?.(stream);
  }

  /** Section 6.5. */
  #onSettings(frame: Frame): void {
    const isAck = frame.has(Flag.ACK);
    if (!isAck || this.#settingsAcknowledged) this.#limits.spend(1, "SETTINGS frames");
    const settings = readSettings(frame);
    this.#settingsAcknowledged ||= isAck;
    if (isAck) return;
    for (const [id, value] of settings) {
      if (id === Setting.HEADER_TABLE_SIZE) this.#output.encoder.setTableSize(value);
      else if (id === Setting.INITIAL_WINDOW_SIZE && !this.#output.resizeWindows(value)) {
        throw flowControlError("SETTINGS makes a stream's window too large");
      }
    }
    this.#send(FrameType.SETTINGS, Flag.ACK, 0);
  }

  /** Section 6.7. */
  #onPing(frame: Frame): void {
    const { buffer, start } = frame;
    const isAck = frame.has(Flag.ACK);
    if (isAck && this.#stage === "draining") this.#finishDrain();
    else this.#limits.spend(1, "PING frames");
    if (isAck) return;
    const payload = [buffer.readUInt32BE(start), buffer.readUInt32BE(start + 4)];
    this.#send(FrameType.PING, Flag.ACK, 0, ...payload);
  }

  /** Section 6.8. The client will open no more streams. */
  #onGoAway(): void {
    this.#limits.spend(1, "GOAWAY frames");
    this.#finishDrain();
  }

  /** Section 6.9. */
  #onWindowUpdate(frame: Frame): void {
    this.#limits.spend(1, "WINDOW_UPDATE frames");
    const bytes = frames.readUint31(frame.buffer, frame.start);
    if (bytes === 0) throw protocolError("WINDOW_UPDATE of 0");
    if (frame.streamId === 0) {
      if (!this.#output.growWindow(bytes)) throw flowControlError("the window is too large");
      this.#flushSoon();
      return;
    }
    const stream = this.#openStream(frame);
    if (stream === undefined) return;
    stream.sendWindow += bytes;
    if (stream.sendWindow > frames.MAX_WINDOW) {
      this.#streamError(stream.id, ErrorCode.FLOW_CONTROL_ERROR);
    } else if (stream.unsentBytes > 0) this.sendSoon(stream, 0);
  }

  /** Undefined if the frame's stream is closed. */
  #openStream({ streamId }: Frame): Stream | undefined {
    if (this.#streams.isIdle(streamId)) throw protocolError("a frame is on an idle stream");
    return this.#streams.open.get(streamId);
  }

  // ---- What is sent

  sendSoon(stream: Stream, bodyBytes: number): void {
    if (stream.closed) return;
    this.#output.add(stream, bodyBytes);
    this.#flushSoon();
  }

  sendCredit(stream: Stream, bytes: number): void {
    this.#send(FrameType.WINDOW_UPDATE, 0, stream.id, bytes);
  }

  giveBack(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit < CREDIT_BYTES) return;
    this.#send(FrameType.WINDOW_UPDATE, 0, 0, this.#credit);
    this.#receiveWindow += this.#credit;
    this.#credit = 0;
  }

  resetStream(stream: Stream, code: ErrorCode): void {
    this.#sendReset(stream.id, code);
    this.#close(stream);
  }

  #sendReset(id: number, code: ErrorCode): void {
    this.#send(FrameType.RST_STREAM, 0, id, code);
    this.#streams.rememberReset(id);
  }

  #send(type: FrameType, flags: number, streamId: number, ...payload: number[]): void {
    if (this.#stage === "ended") return;
    this.#output.control.add(type, flags, streamId, ...payload);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushes) return;
    this.#flushes = true;
    flushSoon(this);
  }

  flush(): void {
    this.#flushes = false;
    if (this.#stage === "ended" || this.socket.destroyed) return;
    try {
      // Nothing is read from a client that does not read.
      if (this.#output.backlogged) this.socket.pause();
      else this.#flushNow();
    } catch (error) {
      this.#fail(error);
    }
  }

  #flushNow(): void {
    const before = this.#output.writtenBodies;
    const streams = this.#output.flush();
    this.#limits.earnByBody(this.#output.writtenBodies - before);
    for (const stream of streams) {
      this.#limits.earn(EARNED_BY_SENDING);
      if (stream.complete) this.#afterClosing(stream);
      else if (stream.wantsDrain) this.#tellDrained(stream);
    }
    if (this.#output.hasWork) this.#flushSoon();
    else if (this.#stage === "drained" && this.openStreams === 0) {
      this.#end();
      this.socket.end();
    }
  }

  #onDrain(): void {
    this.socket.resume();
    this.#flushSoon();
  }

  // ---- Ends of streams

  /** Section 5.4.2, for a fault of the client. */
  #streamError(id: number, code: ErrorCode): void {
    this.#limits.spendReset();
    this.#sendReset(id, code);
    const stream = this.#streams.open.get(id);
    if (stream === undefined) return;
    this.#close(stream);
    this.#options.onReset?.(stream);
  }

  #close(stream: Stream): void {
    if (stream.closed) return;
    this.#streams.close(stream);
    this.#output.drop(stream);
    this.#afterClosing(stream);
    if (this.#stage === "drained") this.#flushSoon();
  }

  #afterClosing(stream: Stream): void {
    this.giveBack(stream.unconsumed);
    stream.unconsumed = 0;
    if (this.openStreams === 0) this.idleSince = performance.now();
    try {
      stream.receiver?.onClose();
    } catch (error) {
      this.#onDefect(stream, error);
    }
  }

  #tellDrained(stream: Stream): void {
    stream.wantsDrain = false;
    try {
      stream.receiver?.onDrain?.();
    } catch (error) {
      this.#onDefect(stream, error);
    }
  }

  #onDefect(stream: Stream, error: unknown): void {
    this.#options.onError(error, "HTTP/2 stream");
    stream.reset(ErrorCode.INTERNAL_ERROR);
  }

  #closeStreams(): void {
    for (const stream of [...this.#streams.open.values()]) this.#close(stream);
  }

  // ---- Times

  #checkTimes(now: number): void {
    const { settingsTimeoutMs, stallTimeoutMs } = this.#options;
    if (!this.#settingsAcknowledged && now - this.#begunAt > settingsTimeoutMs) {
      throw new Http2Error(
        ErrorCode.SETTINGS_TIMEOUT,
        "the settings were not acknowledged in time",
      );
    }
    const incompleteSince = this.#block?.since ?? this.#reader.partSince;
    if (incompleteSince !== undefined && now - incompleteSince > INCOMPLETE_TIMEOUT_MS) {
      throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a frame or header block takes too long");
    }
    for (const stream of this.#streams.open.values()) {
      if (stream.isStalled(now, stallTimeoutMs)) this.#streamError(stream.id, ErrorCode.CANCEL);
    }
    if (this.#stage === "draining" && now - this.#stageSince >= DRAIN_STEP_MS) this.#finishDrain();
  }

  /** The client should have closed its side by now, if it has got everything. */
  #checkHalfOpen(now: number): void {
    const isGraceful = this.#streams.lastServedId !== MAX_STREAM_ID;
    if (isGraceful && this.socket.writableLength > 0) this.#stageSince = now;
    else if (now - this.#stageSince > HALF_OPEN_TIMEOUT_MS) this.socket.destroy();
  }

  // ---- The end of the connection

  #enter(stage: Stage): void {
    this.#stage = stage;
    this.#stageSince = performance.now();
  }

  #finishDrain(): void {
    if (this.#stage === "drained" || this.#stage === "ended") return;
    this.#enter("drained");
    this.#streams.lastServedId = this.#streams.lastId;
    this.#send(FrameType.GOAWAY, 0, 0, this.#streams.lastId, ErrorCode.NO_ERROR);
  }

  /** What the client still sends is discarded, so that it can read the end. */
  #end(): void {
    this.#enter("ended");
    this.#reader.stop();
    this.#block = undefined;
    this.socket.resume();
  }

  /** Section 5.4.1, or a defect. */
  #fail(error: unknown): void {
    if (!(error instanceof Http2Error)) {
      this.#options.onError(error, "HTTP/2 connection");
      this.destroy(ErrorCode.INTERNAL_ERROR, "a defect");
      return;
    }
    if (error.code !== ErrorCode.ENHANCE_YOUR_CALM) this.#options.onConnectionError?.(error);
    this.destroy(error.code, error.message);
  }

  /** A client that has ended its side has gone. */
  #onEnd(): void {
    if (this.#stage !== "ended") this.socket.destroy();
  }

  #onClose(): void {
    this.#end();
    this.#closeStreams();
    this.#options.onClose();
  }
}

function protocolError(message: string): Http2Error {
  return new Http2Error(ErrorCode.PROTOCOL_ERROR, message);
}

function flowControlError(message: string): Http2Error {
  return new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, message);
}
