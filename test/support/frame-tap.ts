import { Duplex } from "node:stream";

const headBytes = 9;
const endStream = 1;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;

/**
 * An HTTP/2 connection that records the frames from the server. Node's client shows neither empty
 * DATA frames nor which frame ended a stream.
 */
export class FrameTap extends Duplex {
  readonly #socket: Duplex;
  readonly #streams = new Map<number, string[]>();
  #unread = Buffer.alloc(0);

  constructor(socket: Duplex) {
    super();
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#record(chunk);
      this.push(chunk);
    });
    socket.once("end", () => this.push(null));
    socket.once("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
  }

  /** The frames of one stream. Consecutive DATA frames count as one, unless they are empty. */
  framesOf(stream: number): string[] {
    const frames: string[] = [];
    let bytes = 0;
    for (const frame of this.#streams.get(stream) ?? []) {
      const length = Number(/^DATA (\d+)$/.exec(frame)?.[1] ?? 0);
      if (length > 0 && bytes > 0) frames.pop();
      bytes = length > 0 ? bytes + length : 0;
      frames.push(length > 0 ? `DATA ${bytes}` : frame);
    }
    return frames;
  }

  #record(chunk: Buffer): void {
    let unread = Buffer.concat([this.#unread, chunk]);
    while (unread.length >= headBytes && unread.length >= headBytes + unread.readUIntBE(0, 3)) {
      const length = unread.readUIntBE(0, 3);
      const stream = unread.readUInt32BE(5);
      const frame = nameOf(unread.subarray(0, headBytes + length));
      if (frame !== undefined) {
        this.#streams.set(stream, [...(this.#streams.get(stream) ?? []), frame]);
      }
      unread = unread.subarray(headBytes + length);
    }
    this.#unread = unread;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#socket.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

function nameOf(frame: Buffer): string | undefined {
  const end = ((frame[4] as number) & endStream) !== 0 ? " END_STREAM" : "";
  switch (frame[3]) {
    case DATA:
      return `DATA ${frame.length - headBytes}${end}`;
    case HEADERS:
      return `HEADERS${end}`;
    case RST_STREAM:
      return `RST_STREAM ${frame.readUInt32BE(headBytes)}`;
    default:
      return undefined;
  }
}
