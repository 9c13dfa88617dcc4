/** The engine on a port, with all that it says, and its requests with all that they get. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { Connection, type ConnectionOptions } from "../../../src/server/http2/connection.ts";
import { encodeHeaders } from "../../../src/server/http2/hpack-encoder.ts";
import type { Stream, StreamReceiver } from "../../../src/server/http2/stream.ts";
import {
  encodeFrame,
  flag,
  frameType,
  hpackLiterals,
  type RawFrame,
  RawHttp2,
  type RawHttp2Options,
} from "../../support/raw-http2.ts";
import { until } from "../../support/until.ts";

export const ok = encodeHeaders([":status", "200", "content-type", "text/plain"]);
export const trailers = encodeHeaders(["grpc-status", "0"]);

/** A request as the engine's user sees it. */
export class Exchange implements StreamReceiver {
  readonly stream: Stream;
  body = Buffer.alloc(0);
  ended = false;
  closed = 0;
  drained = 0;
  readonly #engine: Engine;

  constructor(stream: Stream, engine: Engine) {
    this.stream = stream;
    this.#engine = engine;
  }

  onData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.body = Buffer.concat([this.body, buffer.subarray(start, end)]);
    if (this.#engine.consumes) this.stream.consume(end - start);
    this.ended = last;
    if (last) this.#engine.answer(this);
  }

  onDrain(): void {
    this.drained += 1;
  }

  onClose(): void {
    this.closed += 1;
  }
}

export class Engine implements AsyncDisposable {
  readonly connections: Connection[] = [];
  readonly exchanges: Exchange[] = [];
  readonly resets: Stream[] = [];
  readonly abuse: string[] = [];
  readonly connectionErrors: Error[] = [];
  readonly errors: { readonly error: unknown; readonly where: string }[] = [];
  closed = 0;
  /** Whether exchanges consume what they get at once. */
  consumes = true;
  /** What is done when a request has ended. */
  answer: (exchange: Exchange) => void = ({ stream }) => stream.respond(ok);
  readonly #server: Server;
  readonly #clients: Socket[] = [];

  private constructor(options: Partial<ConnectionOptions>) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.serve(socket, options));
  }

  static async start(options: Partial<ConnectionOptions> = {}): Promise<Engine> {
    const engine = new Engine(options);
    engine.#server.listen(0, "127.0.0.1");
    await once(engine.#server, "listening");
    return engine;
  }

  serve(
    socket: ConstructorParameters<typeof Connection>[0],
    options: Partial<ConnectionOptions> = {},
  ) {
    const connection = new Connection(socket, {
      maxConcurrentStreams: 100,
      maxHeaderListSize: 16_384,
      maxHeaders: 100,
      settingsTimeoutMs: 10_000,
      stallTimeoutMs: 30_000,
      onRequest: (stream) => {
        const exchange = new Exchange(stream, this);
        this.exchanges.push(exchange);
        stream.receiver = exchange;
      },
      onReset: (stream) => this.resets.push(stream),
      onAbuse: (reason) => this.abuse.push(reason),
      onConnectionError: (error) => this.connectionErrors.push(error),
      onError: (error, where) => this.errors.push({ error, where }),
      onClose: () => {
        this.closed += 1;
      },
      ...options,
    });
    this.connections.push(connection);
    return connection;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The only connection. */
  get connection(): Connection {
    return this.connections[0] as Connection;
  }

  /** The last request. */
  get last(): Exchange {
    return this.exchanges.at(-1) as Exchange;
  }

  async open(options: Partial<RawHttp2Options> = {}): Promise<RawHttp2> {
    const client = await RawHttp2.open({ port: this.port, ...options });
    this.#clients.push(client.socket);
    return client;
  }

  /**
   * Lets connections see that so much time has passed. Where it is too short for something to happen, it
   * must count from before that began: a busy machine adds time of its own.
   */
  tick(ms: number, since = performance.now()): void {
    for (const connection of this.connections) connection.tick(since + ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    for (const { socket } of this.connections) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

export const headerFields: [string, string][] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a"],
  [":authority", "localhost"],
];

/** HEADERS of a request. */
export function request(
  streamId: number,
  flags: number = flag.endHeaders,
  fields: readonly (readonly [string, string])[] = [],
): Buffer {
  const block = hpackLiterals([...headerFields, ...fields]);
  return encodeFrame(frameType.headers, flags, streamId, block);
}

export const endOfRequest = flag.endHeaders | flag.endStream;

export function data(streamId: number, payload: Uint8Array | string = "", flags = 0): Buffer {
  return encodeFrame(frameType.data, flags, streamId, Buffer.from(payload));
}

/** Waits for the frame of GOAWAY, and returns its code. */
export async function goAwayCode(client: RawHttp2): Promise<number> {
  const frame = await untilFrame(client, frameType.goaway);
  return frame.payload.readUInt32BE(4);
}

/** Waits for RST_STREAM, and returns its code. */
export async function resetCode(client: RawHttp2, streamId: number): Promise<number> {
  const frame = await untilFrame(client, frameType.rstStream, streamId);
  return frame.payload.readUInt32BE(0);
}

export async function untilFrame(client: RawHttp2, type: number, streamId = 0): Promise<RawFrame> {
  return until(`a frame of type ${type} on stream ${streamId}`, async () =>
    client.framesOf(type).find((frame) => frame.streamId === streamId),
  );
}

let settledCount = 0;

/** Waits until the engine has read all that was sent before. */
export async function settled(client: RawHttp2): Promise<void> {
  settledCount += 1;
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(settledCount, 4);
  client.write(encodeFrame(frameType.ping, 0, 0, payload));
  await until("the answer to PING", async () =>
    client
      .framesOf(frameType.ping)
      .some((frame) => frame.flags === flag.ack && frame.payload.equals(payload)),
  );
}

/** What the server has sent on the stream: the octets of its body. */
export function bodyOf(client: RawHttp2, streamId: number): Buffer {
  const frames = client.framesOf(frameType.data).filter((frame) => frame.streamId === streamId);
  return Buffer.concat(frames.map(({ payload }) => payload));
}
