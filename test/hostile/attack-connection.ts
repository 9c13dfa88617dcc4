import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  encodeFrame,
  flag,
  frameType,
  grpcHeaders,
  hpackLiterals,
  uint32,
} from "../support/raw-http2.ts";
import { ATTACKER_ADDRESS, type Target } from "./attack.ts";
import { waitUntil } from "./wait-until.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const FRAME_HEAD_BYTES = 9;
const SETTLING_LIMIT_MS = 10_000;
export const INITIAL_WINDOW_SIZE = 4;

export const validatePath = "/sessiond.v1.SessionService/Validate";
export const listPath = "/sessiond.v1.SessionService/List";
export const watchPath = "/grpc.health.v1.Health/Watch";
export const reflectionPath = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/** A gRPC message with its prefix. */
export function envelope(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The HEADERS frame of a call. */
export function headersFrame(streamId: number, block: Uint8Array, endHeaders = true): Buffer {
  return encodeFrame(frameType.headers, endHeaders ? flag.endHeaders : 0, streamId, block);
}

export const callHeaders = (path: string): Buffer => hpackLiterals(grpcHeaders(path));

export const resetFrame = (streamId: number): Buffer =>
  encodeFrame(frameType.rstStream, 0, streamId, uint32(8));

export interface OpenOptions {
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** False: the server's settings are never acknowledged. */
  readonly acknowledge?: boolean;
  /** False: nothing that the server sends is ever read. */
  readonly read?: boolean;
}

/**
 * An HTTP/2 connection of an attacker: it writes any bytes, as fast as the server takes them, and
 * only counts what comes back, so that a flood of answers does not fill this process's memory.
 */
export class AttackConnection {
  readonly socket: Socket;
  closed = false;
  /** Frames of the server, by type. */
  readonly frames = new Map<number, number>();
  /** RST_STREAM frames of the server. */
  resets = 0;
  /** The error code of the server's last GOAWAY. */
  goaway: number | undefined;
  bytesRead = 0;
  onFrame: ((type: number, flags: number, streamId: number, payload: Buffer) => void) | undefined;
  #onPing = () => {};
  readonly #acknowledge: boolean;
  #unparsed: Buffer = Buffer.alloc(0);
  #nextStreamId = 1;

  private constructor(socket: Socket, options: OpenOptions) {
    this.socket = socket;
    this.#acknowledge = options.acknowledge ?? true;
    socket.on("error", () => {});
    socket.once("close", () => {
      this.closed = true;
    });
    if (options.read === false) socket.pause();
    else socket.on("data", (chunk: Buffer) => this.#parse(chunk));
  }

  /** Undefined if the server does not take the connection. */
  static async open(
    target: Pick<Target, "host" | "port">,
    options: OpenOptions = {},
  ): Promise<AttackConnection | undefined> {
    const { host, port } = target;
    const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS, noDelay: true });
    const connection = new AttackConnection(socket, options);
    try {
      await once(socket, "connect");
    } catch {
      return undefined;
    }
    const settings = (options.settings ?? []).map(([id, value]) => {
      const bytes = Buffer.alloc(6);
      bytes.writeUInt16BE(id, 0);
      bytes.writeUInt32BE(value, 2);
      return bytes;
    });
    connection.write(PREFACE, encodeFrame(frameType.settings, 0, 0, Buffer.concat(settings)));
    return connection;
  }

  streamId(): number {
    const id = this.#nextStreamId;
    this.#nextStreamId += 2;
    return id;
  }

  write(...bytes: Uint8Array[]): void {
    if (!this.closed && !this.socket.destroyed) this.socket.write(Buffer.concat(bytes));
  }

  /** Writes, and waits until the server has taken it, or for a moment if it does not. */
  async flood(...bytes: Uint8Array[]): Promise<void> {
    this.write(...bytes);
    if (this.socket.writableNeedDrain && !this.closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 200);
      this.socket.once("drain", resolve).once("close", resolve);
      await promise;
      clearTimeout(timer);
      this.socket.off("drain", resolve).off("close", resolve);
    }
    await new Promise(setImmediate);
  }

  /**
   * Waits until the server has dealt with all that was sent: it has answered a PING, or closed the
   * connection. Gives up after a while, as the server may also just not answer.
   */
  async settled(): Promise<void> {
    if (this.closed || this.socket.isPaused()) return;
    let answered = false;
    this.#onPing = () => {
      answered = true;
    };
    this.write(encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)));
    await waitUntil(() => answered || this.closed, SETTLING_LIMIT_MS);
  }

  /** Sends the headers and the message of a call. */
  call(path: string, message: Uint8Array, { endStream = true } = {}): number {
    const id = this.streamId();
    const data = encodeFrame(frameType.data, endStream ? flag.endStream : 0, id, message);
    this.write(headersFrame(id, callHeaders(path)), data);
    return id;
  }

  count(type: number): number {
    return this.frames.get(type) ?? 0;
  }

  #parse(chunk: Buffer): void {
    this.bytesRead += chunk.length;
    this.#unparsed = this.#unparsed.length === 0 ? chunk : Buffer.concat([this.#unparsed, chunk]);
    while (this.#unparsed.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + this.#unparsed.readUIntBE(0, 3);
      if (this.#unparsed.length < end) return;
      const bytes = this.#unparsed.subarray(0, end);
      this.#unparsed = this.#unparsed.subarray(end);
      const streamId = bytes.readUInt32BE(5) & 0x7fffffff;
      this.#received(bytes.readUInt8(3), bytes.readUInt8(4), streamId, bytes.subarray(9));
    }
  }

  #received(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.frames.set(type, this.count(type) + 1);
    if (type === frameType.rstStream) this.resets += 1;
    if (type === frameType.goaway) this.goaway = payload.readUInt32BE(4);
    const isAck = (flags & flag.ack) !== 0;
    if (type === frameType.settings && !isAck && this.#acknowledge) {
      this.write(encodeFrame(frameType.settings, flag.ack, 0));
    }
    if (type === frameType.ping) {
      if (isAck) this.#onPing();
      else this.write(encodeFrame(frameType.ping, flag.ack, 0, payload));
    }
    this.onFrame?.(type, flags, streamId, payload);
  }
}
