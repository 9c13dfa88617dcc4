import { setImmediate as nextTurn } from "node:timers/promises";
import { Connection } from "../../../../src/server/http2/connection.ts";
import { ErrorCode, Http2Error, MAX_WINDOW } from "../../../../src/server/http2/frames.ts";
import { encodeHeaders } from "../../../../src/server/http2/hpack-encoder.ts";
import type { Stream, StreamReceiver } from "../../../../src/server/http2/stream.ts";
import type { Conversation, Step } from "./conversation.ts";
import { MemorySocket } from "./memory-socket.ts";
import { OutputChecker } from "./output-checker.ts";
import { Random } from "./random.ts";

export const MAX_STREAMS = 8;

const TIMEOUT_MS = 10_000;

const head = encodeHeaders([":status", "200", "content-type", "text/plain", "x-a", "b"], {
  indexed: ["content-type", "x-a"],
  dated: true,
});
const trailers = encodeHeaders(["grpc-status", "0", "x-sum", "1"], { indexed: ["grpc-status"] });
const longHead = encodeHeaders([":status", "200", "x-long", "v".repeat(40_000)]);

export interface Played {
  /** How many requests have reached the server's user. */
  readonly requests: number;
  readonly responses: number;
}

/**
 * Carries out a conversation with a connection in memory.
 *
 * @throws {Error} what the connection has done wrong
 */
export async function play(conversation: Conversation): Promise<Played> {
  const game = new Game(conversation);
  process.on("uncaughtException", game.onException);
  try {
    return await game.play();
  } finally {
    process.off("uncaughtException", game.onException);
  }
}

class Game {
  readonly #conversation: Conversation;
  readonly #random: Random;
  readonly #checker = new OutputChecker();
  readonly #socket: MemorySocket;
  readonly #connection: Connection;
  readonly #requests: RequestPlayer[] = [];
  #now = performance.now();
  #closed = 0;
  #connectionErrors = 0;
  #failure: unknown;
  readonly onException = (error: unknown) => this.#fail(error);

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
    this.#random = new Random(conversation.seed);
    this.#socket = new MemorySocket((bytes) => {
      try {
        this.#checker.output(bytes);
      } catch (error) {
        this.#fail(error);
      }
    });
    this.#connection = new Connection(this.#socket, {
      maxConcurrentStreams: MAX_STREAMS,
      maxHeaderListSize: 16 * 1024,
      maxHeaders: 128,
      settingsTimeoutMs: TIMEOUT_MS,
      stallTimeoutMs: TIMEOUT_MS,
      onRequest: (stream) => {
        const open = this.#requests.filter((request) => !request.stream.closed).length;
        if (open >= MAX_STREAMS) this.#fail(new Error("more streams are open than there may be"));
        const random = new Random(conversation.seed ^ stream.id);
        this.#requests.push(new RequestPlayer(stream, random, (error) => this.#fail(error)));
      },
      onConnectionError: (error) => {
        if (error instanceof Http2Error) this.#connectionErrors += 1;
        if (this.#connectionErrors > 1) this.#fail(new Error("a second connection error"));
      },
      onError: (error, where) => this.#fail(new Error(`onError, ${where}`, { cause: error })),
      onClose: () => {
        this.#closed += 1;
      },
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  async play(): Promise<Played> {
    for (const step of this.#conversation.steps) {
      await this.#take(step);
      this.#checkWindows();
      if (this.#failure !== undefined) throw this.#failure;
    }
    await this.#finish();
    if (this.#failure !== undefined) throw this.#failure;
    return { requests: this.#requests.length, responses: this.#checker.responses.size };
  }

  async #take(step: Step): Promise<void> {
    switch (step.kind) {
      case "send":
        this.#checker.input(step.bytes);
        this.#send(step.bytes);
        break;
      case "turns":
        for (let turn = 0; turn < step.count; turn += 1) await this.#turn();
        break;
      case "tick":
        this.#now += step.ms;
        this.#connection.tick(this.#now);
        break;
      case "read":
        this.#socket.reads = step.reads;
        break;
      case "drain":
        this.#connection.drain();
        break;
      case "destroy":
        this.#connection.destroy(ErrorCode.NO_ERROR, "the game is over");
        break;
      case "end":
        this.#socket.endInput();
    }
  }

  #send(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) {
      const isCut = this.#random.oneIn(3);
      const length = isCut ? this.#random.between(1, Math.min(rest.length, 40)) : rest.length;
      // A copy, which is overwritten: the connection must not keep parts of what it got.
      const part = Buffer.from(rest.subarray(0, length));
      this.#socket.receive(part);
      if (this.#socket.readableLength === 0) part.fill(0xee);
      rest = rest.subarray(length);
    }
  }

  async #turn(): Promise<void> {
    for (const request of this.#requests) request.goOn();
    await nextTurn();
  }

  #checkWindows(): void {
    const { openStreams } = this.#connection;
    if (openStreams > MAX_STREAMS) this.#fail(new Error(`${openStreams} streams are open`));
    const open = this.#requests.map(({ stream }) => stream).filter(({ closed }) => !closed);
    for (const { id, sendWindow, receiveWindow, unsentBytes } of open) {
      if (sendWindow > MAX_WINDOW) this.#fail(new Error(`stream ${id} has a window above 2^31-1`));
      if (receiveWindow < 0 || receiveWindow > MAX_WINDOW || unsentBytes < 0) {
        this.#fail(new Error(`stream ${id} has counted wrong`));
      }
    }
  }

  /** The client reads what there is and goes away. Everything must be over then. */
  async #finish(): Promise<void> {
    this.#socket.reads = true;
    for (let turn = 0; turn < 4; turn += 1) await this.#turn();
    if (this.#socket.writableLength === 0) {
      try {
        this.#checker.end();
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#socket.destroy();
    for (let turn = 0; turn < 3; turn += 1) await this.#turn();
    if (this.#closed !== 1) this.#fail(new Error(`onClose was called ${this.#closed} times`));
    if (this.#connection.openStreams !== 0) this.#fail(new Error("streams are open after the end"));
    for (const request of this.#requests) request.checkEnd();
  }
}

/** What the server's user does with one request. Whatever it is, the receiver's calls must be right. */
class RequestPlayer implements StreamReceiver {
  closed = false;
  readonly stream: Stream;
  readonly #random: Random;
  readonly #fail: (error: unknown) => void;
  readonly #behaviour: number;
  #received = 0;
  #toConsume = 0;
  #ended = false;
  #answered = false;
  #toWrite = 0;
  #waits: number;

  constructor(stream: Stream, random: Random, fail: (error: unknown) => void) {
    this.stream = stream;
    this.#random = random;
    this.#fail = fail;
    this.#behaviour = random.below(8);
    this.#waits = random.below(4);
    if (random.oneIn(3)) return;
    stream.receiver = this;
    if (this.#behaviour === 0) this.#answer();
  }

  onData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (this.closed) this.#fail(new Error("onData after onClose"));
    if (this.#ended) this.#fail(new Error("onData after the last part"));
    if (start > end || end > buffer.length) this.#fail(new Error("onData has a wrong range"));
    if (start < end && (buffer[start] === 0xee || buffer[end - 1] === 0xee)) {
      this.#fail(new Error("onData has octets that were overwritten"));
    }
    this.#received += end - start;
    const { contentLength } = this.stream.head;
    if (contentLength !== undefined && this.#received > contentLength) {
      this.#fail(new Error("the body is longer than content-length"));
    }
    if (last) {
      this.#ended = true;
      if (contentLength !== undefined && this.#received !== contentLength) {
        this.#fail(new Error("the body is shorter than content-length"));
      }
    }
    this.#toConsume += end - start;
    if (this.#behaviour % 2 === 0) this.#consume();
    if (last && this.#behaviour < 4) this.#answer();
  }

  onClose(): void {
    if (this.closed) this.#fail(new Error("onClose twice"));
    this.closed = true;
    if (!this.stream.closed) this.#fail(new Error("onClose of a stream that is not closed"));
  }

  onDrain(): void {
    if (this.closed) this.#fail(new Error("onDrain after onClose"));
    this.#writeRest();
  }

  /** A turn of the event loop has passed. */
  goOn(): void {
    if (this.#waits > 0) {
      this.#waits -= 1;
      return;
    }
    this.stream.receiver ??= this;
    this.#consume();
    if (this.#behaviour === 6)
      this.stream.reset(this.#random.pick([ErrorCode.CANCEL, ErrorCode.NO_ERROR]));
    // Also of streams that are closed, which must ignore it.
    else if (this.#behaviour !== 7) this.#answer();
  }

  checkEnd(): void {
    this.stream.receiver ??= this;
    if (!this.closed) this.#fail(new Error("onClose was not called"));
  }

  #consume(): void {
    this.stream.consume(this.#toConsume);
    this.#toConsume = 0;
  }

  #answer(): void {
    if (this.#answered) return;
    this.#answered = true;
    const random = this.#random;
    const body = () => Buffer.alloc(random.pick([0, 1, 100, 16_384, 16_385, 200_000]), "b");
    const answerHead = random.oneIn(10) ? longHead : head;
    switch (random.below(4)) {
      case 0:
        this.stream.respond(answerHead);
        break;
      case 1:
        this.stream.respond(answerHead, body());
        break;
      case 2:
        this.stream.respond(answerHead, body(), trailers);
        break;
      default:
        this.stream.sendHeaders(answerHead);
        this.#toWrite = random.below(30);
        this.#writeRest();
    }
  }

  #writeRest(): void {
    if (!this.#answered || this.#toWrite < 0) return;
    while (this.#toWrite > 0) {
      this.#toWrite -= 1;
      if (!this.stream.write(Buffer.alloc(this.#random.below(20_000), "w"))) return;
    }
    this.#toWrite = -1;
    this.stream.end(this.#random.oneIn(2) ? trailers : undefined);
  }
}
