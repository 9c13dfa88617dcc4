/** node:http2's client in memory, as the other end of our HPACK. The server's end is frames by hand. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
  type Settings,
} from "node:http2";
import { type Duplex, duplexPair } from "node:stream";
import { setImmediate } from "node:timers/promises";
import {
  DEFAULT_MAX_FRAME_SIZE,
  ErrorCode,
  Flag,
  FRAME_HEAD_BYTES,
  FrameType,
  PREFACE,
  readUint31,
  Setting,
  writeFrameHead,
} from "../../../src/server/http2/frames.ts";

export interface HeaderBlock {
  readonly streamId: number;
  readonly block: Buffer;
}

export class NodePeer implements Disposable {
  readonly session: ClientHttp2Session;
  /** The client's header blocks, in the order in which they came. */
  readonly blocks: HeaderBlock[] = [];
  /** Each SETTINGS_HEADER_TABLE_SIZE of the client; undefined for settings without it. */
  readonly tableSizes: (number | undefined)[] = [];
  /** How often the client has acknowledged settings. */
  acknowledged = 0;
  readonly #socket: Duplex;
  #received = Buffer.alloc(0);
  #isPrefaceRead = false;
  /** Parts of a header block that has not ended yet. */
  #parts: Buffer[] = [];

  constructor(settings: Settings = {}) {
    const [client, server] = duplexPair();
    this.#socket = server;
    server.on("data", (data: Buffer) => this.#receive(data));
    this.session = connect("http://peer.test", { createConnection: () => client, settings });
    this.session.on("error", () => {});
  }

  /** Sends SETTINGS, and waits until the client has acknowledged them. */
  async sendSettings(tableSize?: number): Promise<void> {
    const payload = Buffer.alloc(tableSize === undefined ? 0 : 6);
    if (tableSize !== undefined) {
      payload.writeUInt16BE(Setting.HEADER_TABLE_SIZE, 0);
      payload.writeUInt32BE(tableSize, 2);
    }
    const before = this.acknowledged;
    this.#send(FrameType.SETTINGS, 0, 0, payload);
    await this.until(() => this.acknowledged > before);
  }

  /** Waits turn by turn of the event loop: all happens in memory. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await setImmediate();
  }

  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream: true });
    stream.on("error", () => {});
    return stream;
  }

  /** Answers with a header block and nothing else. */
  respond(streamId: number, block: Buffer): void {
    for (let at = 0; at === 0 || at < block.length; at += DEFAULT_MAX_FRAME_SIZE) {
      const part = block.subarray(at, at + DEFAULT_MAX_FRAME_SIZE);
      const isLast = at + part.length === block.length;
      this.#send(
        at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION,
        (at === 0 ? Flag.END_STREAM : 0) | (isLast ? Flag.END_HEADERS : 0),
        streamId,
        part,
      );
    }
  }

  [Symbol.dispose](): void {
    this.session.destroy(undefined, ErrorCode.NO_ERROR);
    this.#socket.destroy();
  }

  #send(type: FrameType, flags: number, streamId: number, payload: Buffer): void {
    const frame = Buffer.alloc(FRAME_HEAD_BYTES + payload.length);
    payload.copy(frame, writeFrameHead(frame, 0, payload.length, type, flags, streamId));
    this.#socket.write(frame);
  }

  #receive(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    if (!this.#isPrefaceRead && this.#received.length >= PREFACE.length) {
      this.#isPrefaceRead = true;
      this.#received = this.#received.subarray(PREFACE.length);
    }
    while (this.#isPrefaceRead && this.#received.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + this.#received.readUIntBE(0, 3);
      if (this.#received.length < end) return;
      const frame = this.#received.subarray(0, end);
      this.#received = this.#received.subarray(end);
      this.#onFrame(frame[3] ?? 0, frame[4] ?? 0, readUint31(frame, 5), frame.subarray(9));
    }
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (type === FrameType.SETTINGS) {
      if ((flags & Flag.ACK) !== 0) this.acknowledged += 1;
      else this.#onSettings(payload);
    }
    if (type !== FrameType.HEADERS && type !== FrameType.CONTINUATION) return;
    const isPrioritized = type === FrameType.HEADERS && (flags & Flag.PRIORITY) !== 0;
    this.#parts.push(payload.subarray(isPrioritized ? 5 : 0));
    if ((flags & Flag.END_HEADERS) === 0) return;
    this.blocks.push({ streamId, block: Buffer.concat(this.#parts) });
    this.#parts = [];
  }

  #onSettings(payload: Buffer): void {
    let tableSize: number | undefined;
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === Setting.HEADER_TABLE_SIZE) {
        tableSize = payload.readUInt32BE(at + 2);
      }
    }
    this.tableSizes.push(tableSize);
    this.#send(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(0));
  }
}
