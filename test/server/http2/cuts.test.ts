import http2 from "node:http2";
import { duplexPair } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { Connection } from "../../../src/server/http2/connection.ts";
import { encodeHeaders } from "../../../src/server/http2/hpack-encoder.ts";
import type { Stream } from "../../../src/server/http2/stream.ts";
import { until } from "../../support/until.ts";
import { MemorySocket } from "./fuzz/memory-socket.ts";
import { OutputChecker } from "./fuzz/output-checker.ts";

const head = encodeHeaders([":status", "200", "content-type", "text/plain"], {
  indexed: ["content-type"],
});
const trailers = encodeHeaders(["grpc-status", "0"]);

/** The engine, with what has reached its user, on a socket in memory. */
class Played {
  readonly requests: { raw: readonly string[]; body: string; end: string; closed: number }[] = [];
  readonly errors: unknown[] = [];
  readonly checker = new OutputChecker();
  readonly socket = new MemorySocket((bytes) => this.checker.output(bytes));
  readonly connection = new Connection(this.socket, {
    maxConcurrentStreams: 100,
    maxHeaderListSize: 16 * 1024,
    maxHeaders: 128,
    settingsTimeoutMs: 60_000,
    stallTimeoutMs: 60_000,
    onRequest: (stream) => this.#onRequest(stream),
    onError: (error) => this.errors.push(error),
    onConnectionError: (error) => this.errors.push(error),
    onClose: () => {},
  });

  #onRequest(stream: Stream): void {
    const request = { raw: stream.headers.raw, body: "", end: "open", closed: 0 };
    this.requests.push(request);
    stream.receiver = {
      onData(buffer, start, end, last) {
        request.body += buffer.toString("latin1", start, end);
        stream.consume(end - start);
        if (!last) return;
        request.end = JSON.stringify(stream.trailers?.raw ?? "no trailers");
        stream.respond(head, Buffer.from(request.body), trailers);
      },
      onClose() {
        request.closed += 1;
      },
    };
  }

  send(bytes: Buffer): void {
    this.checker.input(bytes);
    this.socket.receive(bytes);
  }

  async end(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    this.socket.destroy();
    await nextTurn();
  }
}

/** What node:http2's client sends in some exchanges with padding, trailers, PING and SETTINGS. */
async function record(): Promise<Buffer> {
  const [client, server] = duplexPair();
  const sent: Buffer[] = [];
  const played = new Played();
  const session = http2.connect("http://cuts.test", {
    createConnection: () => client,
    settings: { initialWindowSize: 1000, enablePush: false },
    paddingStrategy: http2.constants.PADDING_STRATEGY_MAX,
  });
  session.on("error", () => {});
  const socket = new MemorySocket((bytes) => server.write(Buffer.from(bytes)));
  new Connection(socket, {
    maxConcurrentStreams: 100,
    maxHeaderListSize: 16 * 1024,
    maxHeaders: 128,
    settingsTimeoutMs: 60_000,
    stallTimeoutMs: 60_000,
    onRequest(stream) {
      stream.receiver = {
        onData(_buffer, start, end, last) {
          stream.consume(end - start);
          if (last) stream.respond(head, Buffer.alloc(2000), trailers);
        },
        onClose() {},
      };
    },
    onError: (error) => played.errors.push(error),
    onClose() {},
  });
  server.on("data", (bytes: Buffer) => {
    sent.push(bytes);
    socket.receive(bytes);
  });

  const call = async (body: string, headers: http2.OutgoingHttpHeaders = {}) => {
    const options = { waitForTrailers: body !== "", endStream: body === "" };
    const stream = session.request({ ":method": "POST", ":path": "/a", ...headers }, options);
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
    if (body !== "") stream.end(body);
    stream.resume();
    await new Promise((resolve) => stream.once("close", resolve));
  };
  await call("");
  await Promise.all([call("first", { cookie: "a=b" }), call("second".repeat(50)), call("")]);
  let isAnswered = false;
  session.ping(() => {
    isAnswered = true;
  });
  session.settings({ headerTableSize: 0, initialWindowSize: 500 });
  await call("third", { "x-long": "v".repeat(300) });
  await until("PING is answered", async () => isAnswered);
  session.destroy();
  expect(played.errors).to.deep.equal([]);
  return Buffer.concat(sent);
}

describe("the HTTP/2 engine, if a recorded conversation", () => {
  let recorded: Buffer;
  let whole: Played;

  before(async () => {
    recorded = await record();
    whole = new Played();
    whole.send(recorded);
    await whole.end();
    expect(whole.requests).to.have.length(5);
    expect(whole.errors).to.deep.equal([]);
  });

  it("is cut at any octet, sees the same and answers the same", async () => {
    for (let at = 1; at < recorded.length; at += 1) {
      const played = new Played();
      played.send(recorded.subarray(0, at));
      await nextTurn();
      played.send(recorded.subarray(at));
      await played.end();
      expect(played.requests, `cut at ${at}`).to.deep.equal(whole.requests);
      expect(played.errors, `cut at ${at}`).to.deep.equal([]);
      expect([...played.checker.responses], `cut at ${at}`).to.have.deep.members([
        ...whole.checker.responses,
      ]);
    }
  });

  it("arrives octet by octet, sees the same and answers the same", async () => {
    const played = new Played();
    for (let at = 0; at < recorded.length; at += 1) played.send(recorded.subarray(at, at + 1));
    await played.end();
    expect(played.requests).to.deep.equal(whole.requests);
    expect(played.errors).to.deep.equal([]);
    expect(played.checker.responses.size).to.equal(whole.requests.length);
  });

  it("ends at any octet, closes each stream once and reports nothing", async () => {
    for (let length = 0; length < recorded.length; length += 1) {
      const played = new Played();
      played.send(recorded.subarray(0, length));
      await played.end();
      expect(played.errors, `ends at ${length}`).to.deep.equal([]);
      expect(played.connection.openStreams).to.equal(0);
      for (const { closed, raw } of played.requests) {
        expect(closed, `ends at ${length}`).to.equal(1);
        expect(whole.requests.map((request) => request.raw)).to.deep.include(raw);
      }
    }
  });
});
