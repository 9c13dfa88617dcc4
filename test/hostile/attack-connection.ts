import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  encodeFrame,
  FrameReader,
  flag,
  frameType,
  grpcHeaders,
  hpackLiterals,
  preface,
  type RawFrame,
  type Setting,
  settingsFrame,
  uint32,
} from "../support/raw-http2.ts";
import { becomesTrue } from "../support/until.ts";
import { ATTACKER_ADDRESS, type Held, type Target } from "./attack.ts";

const SETTLING_LIMIT_MS = 10_000;

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

/** The frames of a block of headers of any size. */
export function headersFrames(streamId: number, block: Uint8Array): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < block.length; at += MAX_FRAME_BYTES) {
    const end = at + MAX_FRAME_BYTES;
    const type = at === 0 ? frameType.headers : frameType.continuation;
    const flags = end >= block.length ? flag.endHeaders : 0;
    frames.push(encodeFrame(type, flags, streamId, block.subarray(at, end)));
  }
  return Buffer.concat(frames);
}

const MAX_FRAME_BYTES = 16_384;

export type Headers = readonly (readonly [name: string, value: string])[];

export const callHeaders = (path: string, more: Headers = []): Buffer =>
  hpackLiterals([...grpcHeaders(path), ...more]);

export const resetFrame = (streamId: number): Buffer =>
  encodeFrame(frameType.rstStream, 0, streamId, uint32(8));

export interface OpenOptions {
  readonly settings?: readonly Setting[];
  /** False: the server's settings are never acknowledged. */
  readonly acknowledge?: boolean;
  /** False: nothing that the server sends is ever read. */
  readonly read?: boolean;
}

export interface CallOptions {
  readonly endStream?: boolean;
  readonly headers?: Headers;
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
  /** Calls that the server has begun to serve: a refused one has only trailers. */
  served = 0;
  /** Calls that the server has refused with a status. */
  refused = 0;
  /** The error code of the server's last GOAWAY. */
  goaway: number | undefined;
  bytesRead = 0;
  onFrame: ((frame: RawFrame) => void) | undefined;
  #onPing = () => {};
  readonly #acknowledge: boolean;
  readonly #reader = new FrameReader();
  readonly #begun = new Set<number>();
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

  /** Undefined if the server does not take the connection. Its socket is `held`. */
  static async open(
    target: Pick<Target, "host" | "port">,
    held: Pick<Held, "defer">,
    options: OpenOptions = {},
  ): Promise<AttackConnection | undefined> {
    const { host, port } = target;
    const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS, noDelay: true });
    held.defer(() => socket.destroy());
    const connection = new AttackConnection(socket, options);
    try {
      await once(socket, "connect");
    } catch {
      return undefined;
    }
    connection.write(preface, settingsFrame(options.settings ?? []));
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
   * connection. False if it does neither for a while.
   */
  async settled(): Promise<boolean> {
    if (this.closed) return true;
    if (this.socket.isPaused()) return false;
    let answered = false;
    this.#onPing = () => {
      answered = true;
    };
    this.write(encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)));
    return becomesTrue(() => answered || this.closed, SETTLING_LIMIT_MS);
  }

  /** Sends the headers and the message of a call. */
  call(path: string, message: Uint8Array, { endStream = true, headers }: CallOptions = {}): number {
    const id = this.streamId();
    const data = encodeFrame(frameType.data, endStream ? flag.endStream : 0, id, message);
    this.write(headersFrame(id, callHeaders(path, headers)), data);
    return id;
  }

  count(type: number): number {
    return this.frames.get(type) ?? 0;
  }

  #parse(chunk: Buffer): void {
    this.bytesRead += chunk.length;
    for (const frame of this.#reader.read(chunk)) this.#received(frame);
  }

  #received(frame: RawFrame): void {
    const { type, flags, streamId, payload } = frame;
    this.frames.set(type, this.count(type) + 1);
    if (type === frameType.headers) this.#receivedHeaders(streamId, (flags & flag.endStream) !== 0);
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
    this.onFrame?.(frame);
  }

  #receivedHeaders(streamId: number, endStream: boolean): void {
    if (this.#begun.delete(streamId)) return;
    if (endStream) {
      this.refused += 1;
    } else {
      this.served += 1;
      this.#begun.add(streamId);
    }
  }
}
