import type { Duplex } from "node:stream";
import { EARNED_BY_SENDING, FloodLimits } from "./flood-limits.ts";
import { flushSoon } from "./flush-turn.ts";
import type { Frame } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import {
  ErrorCode,
  encodeFrame,
  type FloodBudget,
  FloodError,
  FrameType,
  Http2Error,
  MAX_STREAM_ID,
} from "./frames.ts";
import type { HeaderBlock } from "./header-block.ts";
import { Output } from "./output.ts";
import type { Stream, StreamConnection } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** What all streams of a connection may send together before receivers have consumed any of it. */
export const CONNECTION_WINDOW = 1024 * 1024;

/** How long a frame or header block may take from its first octet to its last. */
export const INCOMPLETE_TIMEOUT_MS = 10_000;

/** How long the first GOAWAY of a drain may take to reach a client that does not answer PING. */
const DRAIN_STEP_MS = 1000;

/** How long a client may keep its side open after the server has closed its own. */
export const HALF_OPEN_TIMEOUT_MS = 2000;

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
  onAbuse?(reason: string, budget: FloodBudget): void;
  /** The connection ends for another fault of the client, or of the network. */
  onConnectionError?(error: Error): void;
  /** A defect: an exception of a receiver, of `onRequest`, or of the engine. */
  onError(error: unknown, where: string): void;
  /** The socket is closed. Called once. */
  onClose(): void;
}

/** Draining: the first GOAWAY was sent. Drained: the second, too. Ended: what arrives is discarded. */
type Stage = "open" | "draining" | "drained" | "ended";

/** The server's end of a connection (RFC 9113): what it sends, its times, and how it ends. */
export abstract class Endpoint implements StreamConnection {
  readonly socket: Duplex;
  context: unknown = undefined;
  /** When the last stream was closed or the connection begun. Of performance.now(). */
  idleSince = performance.now();
  stage: Stage = "open";

  protected readonly options: ConnectionOptions;
  protected readonly streams = new StreamTable();
  protected readonly output: Output;
  protected readonly limits: FloodLimits;
  protected readonly reader = new FrameReader((frame) => this.onFrame(frame));
  /** A header block that has begun and not ended. */
  protected block: HeaderBlock | undefined = undefined;
  protected settingsAcknowledged = false;
  /** How much the client may send on all streams. */
  protected receiveWindow = CONNECTION_WINDOW;

  readonly #begunAt = performance.now();
  #stageSince = this.#begunAt;
  #credit = 0;
  #flushes = false;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.socket = socket;
    this.options = options;
    this.output = new Output(socket, this.streams);
    this.limits = new FloodLimits(options.maxConcurrentStreams);
    socket.on("drain", () => {
      socket.resume();
      this.flushSoon();
    });
    socket.on("error", (error) => options.onConnectionError?.(error));
    // A client that has ended its side has gone.
    socket.on("end", () => {
      if (this.stage !== "ended") socket.destroy();
    });
    socket.on("close", () => this.#onClose());
  }

  /** @throws {Http2Error} */
  protected abstract onFrame(frame: Frame): void;

  get openStreams(): number {
    return this.streams.open.size;
  }

  /** Refuses new streams, and ends the connection with the last open one: two GOAWAYs (section 6.8). */
  drain(): void {
    if (this.stage !== "open") return;
    this.#enter("draining");
    this.send(FrameType.GOAWAY, 0, 0, MAX_STREAM_ID, ErrorCode.NO_ERROR);
    this.send(FrameType.PING, 0, 0, 0, 0);
  }

  /** Ends the connection at once with GOAWAY. With ENHANCE_YOUR_CALM, onAbuse gets the reason and the budget. */
  destroy(code: ErrorCode, reason: string, budget: FloodBudget = "other"): void {
    if (this.stage === "ended") return;
    const { lastId, lastServedId } = this.streams;
    // Section 6.8: never above that of an earlier GOAWAY.
    this.send(FrameType.GOAWAY, 0, 0, Math.min(lastId, lastServedId), code);
    this.#end();
    this.output.flushControl();
    this.socket.end();
    for (const stream of this.streams.open.values()) this.close(stream);
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.options.onAbuse?.(reason, budget);
  }

  /** What happens by time. To be called about once a second, with performance.now(). */
  tick(now: number): void {
    try {
      this.limits.elapse(now);
      if (this.output.isUnread(now, this.options.stallTimeoutMs)) this.socket.destroy();
      else if (this.stage === "ended") this.#checkHalfOpen(now);
      else this.#checkTimes(now);
    } catch (error) {
      this.fail(error);
    }
  }

  // ---- What is sent

  sendSoon(stream: Stream, bodyBytes: number): void {
    if (stream.closed) return;
    this.output.add(stream, bodyBytes);
    this.flushSoon();
  }

  sendCredit(stream: Stream, bytes: number): void {
    this.send(FrameType.WINDOW_UPDATE, 0, stream.id, bytes);
  }

  giveBack(bytes: number): void {
    this.#credit += bytes;
    // In larger amounts, not with a frame for each part.
    if (this.#credit < CONNECTION_WINDOW / 2) return;
    this.send(FrameType.WINDOW_UPDATE, 0, 0, this.#credit);
    this.receiveWindow += this.#credit;
    this.#credit = 0;
  }

  resetStream(stream: Stream, code: ErrorCode): void {
    this.sendReset(stream.id, code);
    this.close(stream);
  }

  protected sendReset(id: number, code: ErrorCode): void {
    this.send(FrameType.RST_STREAM, 0, id, code);
    this.streams.rememberReset(id);
  }

  protected send(type: FrameType, flags: number, streamId: number, ...payload: number[]): void {
    if (this.stage === "ended") return;
    this.output.control.push(encodeFrame(type, flags, streamId, ...payload));
    this.flushSoon();
  }

  protected flushSoon(): void {
    if (this.#flushes) return;
    this.#flushes = true;
    flushSoon(this);
  }

  flush(): void {
    this.#flushes = false;
    if (this.stage === "ended" || this.socket.destroyed) return;
    try {
      // Nothing is read from a client that does not read.
      if (this.output.backlogged) this.socket.pause();
      else this.#flushNow();
    } catch (error) {
      this.fail(error);
    }
  }

  #flushNow(): void {
    const before = this.output.writtenBodies;
    const streams = this.output.flush();
    this.limits.earnByBody(this.output.writtenBodies - before);
    for (const stream of streams) {
      this.limits.earn(EARNED_BY_SENDING);
      if (stream.complete) this.#afterClosing(stream);
      else if (stream.wantsDrain) this.#tellDrained(stream);
    }
    if (this.output.hasWork) this.flushSoon();
    else if (this.stage === "drained" && this.openStreams === 0) {
      this.#end();
      this.socket.end();
    }
  }

  // ---- Ends of streams

  /** Section 5.4.2, for a fault of the client. */
  protected streamError(id: number, code: ErrorCode): void {
    this.limits.spendReset();
    this.sendReset(id, code);
    const stream = this.streams.open.get(id);
    if (stream === undefined) return;
    this.close(stream);
    this.options.onReset?.(stream);
  }

  protected close(stream: Stream): void {
    if (stream.closed) return;
    this.streams.close(stream);
    this.output.drop(stream);
    this.#afterClosing(stream);
    if (this.stage === "drained") this.flushSoon();
  }

  #afterClosing(stream: Stream): void {
    this.giveBack(stream.unconsumed);
    stream.unconsumed = 0;
    if (this.openStreams === 0) this.idleSince = performance.now();
    try {
      stream.receiver?.onClose();
    } catch (error) {
      this.onDefect(stream, error);
    }
  }

  #tellDrained(stream: Stream): void {
    stream.wantsDrain = false;
    try {
      stream.receiver?.onDrain?.();
    } catch (error) {
      this.onDefect(stream, error);
    }
  }

  protected onDefect(stream: Stream, error: unknown): void {
    this.options.onError(error, "HTTP/2 stream");
    stream.reset(ErrorCode.INTERNAL_ERROR);
  }

  // ---- Times, and the end of the connection

  #checkTimes(now: number): void {
    const { settingsTimeoutMs, stallTimeoutMs } = this.options;
    if (!this.settingsAcknowledged && now - this.#begunAt > settingsTimeoutMs) {
      throw new Http2Error(ErrorCode.SETTINGS_TIMEOUT, "SETTINGS was not acknowledged in time");
    }
    const incompleteSince = this.block?.since ?? this.reader.partSince;
    if (incompleteSince !== undefined && now - incompleteSince > INCOMPLETE_TIMEOUT_MS) {
      throw new FloodError("other", "a frame or header block takes too long");
    }
    for (const stream of this.streams.open.values()) {
      if (stream.isStalled(now, stallTimeoutMs)) this.streamError(stream.id, ErrorCode.CANCEL);
    }
    if (this.stage === "draining" && now - this.#stageSince >= DRAIN_STEP_MS) this.finishDrain();
  }

  /** The client should have closed its side by now, if it has got everything. */
  #checkHalfOpen(now: number): void {
    const isGraceful = this.streams.lastServedId !== MAX_STREAM_ID;
    if (isGraceful && this.socket.writableLength > 0) this.#stageSince = now;
    else if (now - this.#stageSince > HALF_OPEN_TIMEOUT_MS) this.socket.destroy();
  }

  #enter(stage: Stage): void {
    this.stage = stage;
    this.#stageSince = performance.now();
  }

  protected finishDrain(): void {
    if (this.stage === "drained" || this.stage === "ended") return;
    this.#enter("drained");
    this.streams.lastServedId = this.streams.lastId;
    this.send(FrameType.GOAWAY, 0, 0, this.streams.lastId, ErrorCode.NO_ERROR);
  }

  /** What the client still sends is discarded, so that it can read the end. */
  #end(): void {
    this.#enter("ended");
    this.reader.stop();
    this.block = undefined;
    this.socket.resume();
  }

  /** Section 5.4.1, or a defect. */
  protected fail(error: unknown): void {
    if (error instanceof Http2Error) {
      if (error.code !== ErrorCode.ENHANCE_YOUR_CALM) this.options.onConnectionError?.(error);
      this.destroy(error.code, error.message, budgetOf(error));
    } else {
      this.options.onError(error, "HTTP/2 connection");
      this.destroy(ErrorCode.INTERNAL_ERROR, "a defect");
    }
  }

  #onClose(): void {
    this.#end();
    for (const stream of this.streams.open.values()) this.close(stream);
    this.options.onClose();
  }
}

function budgetOf(error: Http2Error): FloodBudget | undefined {
  return error instanceof FloodError ? error.budget : undefined;
}
