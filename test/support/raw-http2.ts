import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** The types of frames (RFC 9113, section 6). */
export const frameType = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const;

export const setting = { initialWindowSize: 4 } as const;

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const frameHeadBytes = 9;

export function encodeFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(),
): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An integer with a prefix of `bits` bits (RFC 7541, section 5.1), after the bits of `first`. */
function hpackInteger(value: number, bits: number, first: number): number[] {
  const max = 2 ** bits - 1;
  if (value < max) return [first | value];
  const bytes = [first | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([Buffer.from(hpackInteger(bytes.length, 7, 0)), bytes]);
}

/** Encodes headers as literals. With `index`, they also enter the dynamic table. */
export function hpackLiterals(
  headers: readonly (readonly [name: string, value: string])[],
  { index = false } = {},
): Buffer {
  const kind = Buffer.from([index ? 0x40 : 0]);
  return Buffer.concat(
    headers.flatMap(([name, value]) => [kind, hpackString(name), hpackString(value)]),
  );
}

/** A reference to the table of headers. The newest header of the dynamic table has the index 62. */
export function hpackReference(index: number): Buffer {
  return Buffer.from(hpackInteger(index, 7, 0x80));
}

export function grpcHeaders(path: string): [string, string][] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ];
}

/** A setting of HTTP/2 (RFC 9113, section 6.5.2). */
export type Setting = readonly [id: number, value: number];

export function settingsFrame(settings: readonly Setting[]): Buffer {
  const payload = settings.map(([id, value]) => Buffer.concat([uint16(id), uint32(value)]));
  return encodeFrame(frameType.settings, 0, 0, Buffer.concat(payload));
}

/** Finds the frames in what arrives on a connection. */
export class FrameReader {
  #unparsed: Buffer = Buffer.alloc(0);

  *read(chunk: Buffer): Generator<RawFrame> {
    this.#unparsed = this.#unparsed.length === 0 ? chunk : Buffer.concat([this.#unparsed, chunk]);
    while (this.#unparsed.length >= frameHeadBytes) {
      const end = frameHeadBytes + this.#unparsed.readUIntBE(0, 3);
      if (this.#unparsed.length < end) return;
      const bytes = this.#unparsed.subarray(0, end);
      this.#unparsed = this.#unparsed.subarray(end);
      yield {
        type: bytes.readUInt8(3),
        flags: bytes.readUInt8(4),
        streamId: bytes.readUInt32BE(5) & 0x7fffffff,
        payload: bytes.subarray(frameHeadBytes),
      };
    }
  }
}

export interface RawHttp2Options {
  readonly port: number;
  readonly host?: string;
  readonly localAddress?: string;
  /** The client's settings, by identifier. */
  readonly settings?: readonly Setting[];
  /** False: the server's settings are never acknowledged. */
  readonly acknowledge?: boolean;
  /** False: the server's PINGs are not answered. */
  readonly pong?: boolean;
  /** False: nothing is sent, not even the preface. */
  readonly preface?: boolean;
}

/** An HTTP/2 client that can send whatever frames a test wants, also forbidden ones. */
export class RawHttp2 {
  readonly socket: Socket;
  /** Every frame that the server has sent. */
  readonly received: RawFrame[] = [];
  readonly closed: Promise<void>;
  readonly #reader = new FrameReader();
  #nextStreamId = 1;
  readonly #acknowledge: boolean;
  readonly #pong: boolean;

  private constructor(socket: Socket, { acknowledge = true, pong = true }: RawHttp2Options) {
    this.socket = socket;
    this.#acknowledge = acknowledge;
    this.#pong = pong;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      for (const frame of this.#reader.read(chunk)) this.#onFrame(frame);
    });
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  /** Connects, and sends the preface and the client's settings. Close its socket after the test. */
  static async open(options: RawHttp2Options): Promise<RawHttp2> {
    const { port, host = "127.0.0.1", localAddress, settings = [] } = options;
    const socket = connect({ port, host, ...(localAddress !== undefined && { localAddress }) });
    const client = new RawHttp2(socket, options);
    await once(socket, "connect");
    if (options.preface !== false) client.write(preface, settingsFrame(settings));
    return client;
  }

  write(...bytes: Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(bytes));
  }

  /** The next id for a stream of the client. */
  streamId(): number {
    const id = this.#nextStreamId;
    this.#nextStreamId += 2;
    return id;
  }

  /** Sends a whole call, or with `body` undefined only its headers. Returns the id of its stream. */
  call(path: string, body?: Uint8Array): number {
    const id = this.streamId();
    const headers = hpackLiterals(grpcHeaders(path));
    this.write(encodeFrame(frameType.headers, flag.endHeaders, id, headers));
    if (body !== undefined) this.write(encodeFrame(frameType.data, flag.endStream, id, body));
    return id;
  }

  /** The frames of a type that the server has sent. */
  framesOf(type: number): RawFrame[] {
    return this.received.filter((frame) => frame.type === type);
  }

  #onFrame(frame: RawFrame): void {
    this.received.push(frame);
    const isAck = (frame.flags & flag.ack) !== 0;
    if (frame.type === frameType.settings && !isAck && this.#acknowledge) {
      this.write(encodeFrame(frameType.settings, flag.ack, 0));
    }
    if (frame.type === frameType.ping && !isAck && this.#pong) {
      this.write(encodeFrame(frameType.ping, flag.ack, 0, frame.payload));
    }
  }
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
