import {
  FrameReader,
  flag,
  frameType,
  preface,
  type RawFrame,
} from "../../../support/raw-http2.ts";
import { type Field, ResponseHeaders } from "./response-headers.ts";

const MAX_WINDOW = 0x7fff_ffff;
const MAX_FRAME_SIZE = 16_384;
const DEFAULT_WINDOW = 65_535;

/** What of a response has come. */
type ResponseState = "none" | "body" | "ended";

interface HeaderBlock {
  readonly id: number;
  readonly endStream: boolean;
  readonly parts: Buffer[];
}

class ClientStream {
  state: ResponseState = "none";
  isReset = false;
  /** What the server may send besides the initial window. */
  window = 0;
  /** The octets of DATA that the client has sent, and those that the server has given back. */
  sent = 0;
  granted = 0;
}

/**
 * Knows what a client has sent, and checks that what the server sends is right after that: frames, states
 * of streams, windows, header blocks (RFC 9113, RFC 7541). It has no code in common with the server. What
 * a client sends may itself be wrong: then the server may end the stream or connection.
 */
export class OutputChecker {
  /** Whole responses, by stream. */
  readonly responses = new Map<number, Field[][]>();
  /** The codes of GOAWAY frames. */
  readonly goAways: number[] = [];
  readonly #inputReader = new FrameReader();
  readonly #outputReader = new FrameReader();
  readonly #headers = new ResponseHeaders();
  readonly #streams = new Map<number, ClientStream>();
  readonly #pendingSettings: (readonly (readonly [id: number, value: number])[])[] = [];
  readonly #pings: Buffer[] = [];
  #prefaceLeft = preface.length;
  #initialWindow = DEFAULT_WINDOW;
  #window = DEFAULT_WINDOW;
  #sent = 0;
  #granted = 0;
  #outputBytes = 0;
  #framedBytes = 0;
  #hasSettings = false;
  #lastServed = MAX_WINDOW;
  #isFailed = false;
  #block: HeaderBlock | undefined;

  /** The client sends bytes. */
  input(bytes: Buffer): void {
    const skipped = Math.min(this.#prefaceLeft, bytes.length);
    this.#prefaceLeft -= skipped;
    for (const frame of this.#inputReader.read(bytes.subarray(skipped))) this.#sends(frame);
  }

  /** The client reads bytes. @throws {Error} what is wrong with them */
  output(bytes: Buffer): void {
    this.#outputBytes += bytes.length;
    for (const frame of this.#outputReader.read(Buffer.from(bytes))) {
      this.#framedBytes += 9 + frame.payload.length;
      try {
        this.#receives(frame);
      } catch (error) {
        const { type, flags, streamId, payload } = frame;
        const what = `type ${type}, flags ${flags}, stream ${streamId}, ${payload.length} bytes`;
        throw new Error(`a frame (${what}) that is wrong: ${(error as Error).message}`);
      }
    }
  }

  /** The server's side of the connection has ended. @throws {Error} if that is within a frame */
  end(): void {
    check(this.#framedBytes === this.#outputBytes, "the output ends within a frame");
    check(this.#block === undefined, "the output ends within a header block");
  }

  #stream(id: number): ClientStream {
    const known = this.#streams.get(id);
    if (known !== undefined) return known;
    const stream = new ClientStream();
    this.#streams.set(id, stream);
    return stream;
  }

  #sends({ type, flags, streamId, payload }: RawFrame): void {
    switch (type) {
      case frameType.headers:
        this.#stream(streamId);
        break;
      case frameType.data:
        this.#sent += payload.length;
        this.#stream(streamId).sent += payload.length;
        break;
      case frameType.settings:
        if ((flags & flag.ack) === 0) this.#pendingSettings.push(settingsIn(payload));
        break;
      case frameType.ping:
        if ((flags & flag.ack) === 0) this.#pings.push(payload);
        break;
      case frameType.windowUpdate:
        if (payload.length !== 4) break;
        if (streamId === 0) this.#window += payload.readUInt32BE() & MAX_WINDOW;
        else this.#stream(streamId).window += payload.readUInt32BE() & MAX_WINDOW;
    }
  }

  #receives(frame: RawFrame): void {
    const { type, flags, streamId: id, payload } = frame;
    check(!this.#isFailed, "it comes after GOAWAY with an error");
    check(payload.length <= MAX_FRAME_SIZE, "it is larger than SETTINGS_MAX_FRAME_SIZE");
    check(this.#hasSettings || type === frameType.settings, "the first frame is not SETTINGS");
    check(
      (type === frameType.continuation) === (this.#block !== undefined),
      "a header block is interrupted, or CONTINUATION is out of place",
    );
    switch (type) {
      case frameType.data:
        this.#onData(id, flags, payload);
        break;
      case frameType.headers:
        this.#checkSends(id);
        check((flags & ~(flag.endStream | flag.endHeaders)) === 0, "it has unknown flags");
        this.#block = { id, endStream: (flags & flag.endStream) !== 0, parts: [payload] };
        if ((flags & flag.endHeaders) !== 0) this.#onBlock();
        break;
      case frameType.continuation:
        check(this.#block?.id === id, "it is of another stream");
        this.#block?.parts.push(payload);
        if ((flags & flag.endHeaders) !== 0) this.#onBlock();
        break;
      case frameType.rstStream:
        check(payload.length === 4 && this.#streams.has(id), "the stream is idle");
        this.#stream(id).isReset = true;
        break;
      case frameType.settings:
        this.#onSettings(id, flags, payload);
        break;
      case frameType.ping:
        check(id === 0 && payload.length === 8, "it is no PING");
        if ((flags & flag.ack) === 0) break;
        check(this.#pings.shift()?.equals(payload) === true, "it answers no PING");
        break;
      case frameType.goaway:
        this.#onGoAway(id, payload);
        break;
      case frameType.windowUpdate:
        this.#onWindowUpdate(id, payload);
        break;
      default:
        throw new Error("a server does not send it");
    }
  }

  #checkSends(id: number): ClientStream {
    const stream = this.#streams.get(id);
    check(stream !== undefined && id % 2 === 1, "the client has not opened the stream");
    check(id <= this.#lastServed, "GOAWAY has said that the stream is not served");
    check(!stream.isReset, "the server has reset the stream");
    check(stream.state !== "ended", "the response has ended");
    return stream;
  }

  #onData(id: number, flags: number, payload: Buffer): void {
    const stream = this.#checkSends(id);
    check(stream.state === "body", "it comes before the headers");
    check((flags & ~flag.endStream) === 0, "it has unknown flags");
    stream.window -= payload.length;
    this.#window -= payload.length;
    if (payload.length > 0) {
      check(this.#window >= 0, "it is more than the window of the connection");
      check(stream.window + this.#initialWindow >= 0, "it is more than the window of the stream");
    }
    if ((flags & flag.endStream) !== 0) stream.state = "ended";
  }

  #onBlock(): void {
    const { id, endStream, parts } = this.#block as HeaderBlock;
    this.#block = undefined;
    const stream = this.#stream(id);
    const fields = this.#headers.decode(Buffer.concat(parts));
    const blocks = this.responses.get(id) ?? [];
    blocks.push(fields);
    this.responses.set(id, blocks);
    const [first, ...others] = fields;
    check(!others.some(([name]) => name.startsWith(":")), "it has a pseudo-header too many");
    if (stream.state === "body") {
      check(endStream && first?.[0] !== ":status", "they are no trailers");
    } else {
      check(first?.[0] === ":status", "it has no :status");
      const isInterim = first[1].startsWith("1");
      check(!(isInterim && endStream), "an interim response ends the stream");
      if (isInterim) return;
    }
    stream.state = endStream ? "ended" : "body";
  }

  #onSettings(id: number, flags: number, payload: Buffer): void {
    check(id === 0 && payload.length % 6 === 0, "it is no SETTINGS");
    if ((flags & flag.ack) === 0) {
      this.#hasSettings = true;
      return;
    }
    check(this.#hasSettings && payload.length === 0, "it is no acknowledgement");
    const settings = this.#pendingSettings.shift();
    check(settings !== undefined, "it acknowledges no SETTINGS");
    for (const [name, value] of settings) {
      if (name === 1) this.#headers.setLimit(value);
      if (name === 4) this.#initialWindow = value;
    }
  }

  #onGoAway(id: number, payload: Buffer): void {
    check(id === 0 && payload.length >= 8, "it is no GOAWAY");
    const last = payload.readUInt32BE(0);
    check(last <= this.#lastServed, "its last stream is above that of an earlier one");
    this.#lastServed = last;
    const code = payload.readUInt32BE(4);
    this.goAways.push(code);
    this.#isFailed = code !== 0;
  }

  #onWindowUpdate(id: number, payload: Buffer): void {
    const bytes = payload.length === 4 ? payload.readUInt32BE() : 0;
    check(bytes > 0 && bytes <= MAX_WINDOW, "its increment is wrong");
    if (id === 0) {
      // The first one makes the window larger than it is by default.
      if (this.#granted === 0 && bytes > this.#sent) return;
      this.#granted += bytes;
      check(this.#granted <= this.#sent, "it gives back more than the client has sent");
    } else {
      const stream = this.#streams.get(id);
      check(stream !== undefined, "the stream is idle");
      stream.granted += bytes;
      check(stream.granted <= stream.sent, "it gives back more than the client has sent");
    }
  }
}

function settingsIn(payload: Buffer): [number, number][] {
  const count = Math.floor(payload.length / 6);
  return Array.from({ length: count }, (_, index) => [
    payload.readUInt16BE(index * 6),
    payload.readUInt32BE(index * 6 + 2),
  ]);
}

function check(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
