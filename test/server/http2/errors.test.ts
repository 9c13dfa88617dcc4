import { expect } from "chai";
import { ErrorCode } from "../../../src/server/http2/frames.ts";
import {
  encodeFrame,
  flag,
  frameType,
  hpackLiterals,
  type RawHttp2,
  settingsFrame,
  uint32,
} from "../../support/raw-http2.ts";
import { until } from "../../support/until.ts";
import {
  data,
  Engine,
  endOfRequest,
  goAwayCode,
  headerFields,
  ok,
  request,
  resetCode,
  settled,
} from "./engine.ts";

const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, STREAM_CLOSED, COMPRESSION_ERROR } =
  ErrorCode;

const PADDED = 0x8;
const PRIORITY = 0x20;
const priority = 2;
const pushPromise = 5;
const maxIncrement = uint32(0x7fff_ffff);
const block = hpackLiterals(headerFields);

function frame(type: number, flags: number, streamId: number, payload: Uint8Array | string = "") {
  return encodeFrame(type, flags, streamId, Buffer.from(payload));
}

/** An open stream 1, whose request has not ended. */
const open = request(1);
/** A stream 1 whose request has ended, and which the server has not answered. */
const halfClosed = request(1, endOfRequest);

type Violation = readonly [what: string, code: ErrorCode, ...frames: Buffer[]];

/** RFC 9113: what ends the connection. */
const connectionErrors: readonly Violation[] = [
  ["5.1: DATA on an idle stream", PROTOCOL_ERROR, data(1)],
  [
    "5.1: RST_STREAM on an idle stream",
    PROTOCOL_ERROR,
    frame(frameType.rstStream, 0, 1, uint32(8)),
  ],
  [
    "5.1: WINDOW_UPDATE on an idle stream",
    PROTOCOL_ERROR,
    frame(frameType.windowUpdate, 0, 1, uint32(1)),
  ],
  ["5.1: DATA on a stream of the server", PROTOCOL_ERROR, open, data(2)],
  ["5.1.1: HEADERS on a stream of the server", PROTOCOL_ERROR, request(2)],
  ["5.1.1: HEADERS on a stream below an opened one", STREAM_CLOSED, request(5), request(3)],
  [
    "5.1: HEADERS on a stream that the client has reset",
    STREAM_CLOSED,
    open,
    frame(frameType.rstStream, 0, 1, uint32(8)),
    request(1),
  ],
  ["4.2: a frame that is too large", FRAME_SIZE_ERROR, open, data(1, Buffer.alloc(16_385))],
  [
    "4.3: a header block that is no HPACK",
    COMPRESSION_ERROR,
    frame(frameType.headers, flag.endHeaders, 1, Buffer.from([0x80])),
  ],
  ["6.1: DATA on stream 0", PROTOCOL_ERROR, data(0)],
  ["6.1: more padding than DATA", PROTOCOL_ERROR, open, data(1, Buffer.from([3, 0, 0]), PADDED)],
  ["6.1: padding without its length", FRAME_SIZE_ERROR, open, data(1, "", PADDED)],
  ["6.2: HEADERS on stream 0", PROTOCOL_ERROR, request(0)],
  [
    "6.2: more padding than HEADERS",
    PROTOCOL_ERROR,
    frame(frameType.headers, endOfRequest | PADDED, 1, Buffer.from([2, 0])),
  ],
  [
    "6.2: more padding than HEADERS after the priority",
    PROTOCOL_ERROR,
    frame(frameType.headers, endOfRequest | PADDED | PRIORITY, 1, Buffer.from([1, 0, 0, 0, 0, 0])),
  ],
  [
    "6.2: HEADERS without their priority",
    FRAME_SIZE_ERROR,
    frame(frameType.headers, endOfRequest | PRIORITY, 1, Buffer.alloc(4)),
  ],
  [
    "6.2: HEADERS that depend on themselves",
    PROTOCOL_ERROR,
    frame(
      frameType.headers,
      endOfRequest | PRIORITY,
      1,
      Buffer.concat([uint32(1), Buffer.of(0), block]),
    ),
  ],
  ["6.3: PRIORITY on stream 0", PROTOCOL_ERROR, frame(priority, 0, 0, Buffer.alloc(5))],
  [
    "6.3: PRIORITY of a wrong length",
    FRAME_SIZE_ERROR,
    open,
    frame(priority, 0, 1, Buffer.alloc(4)),
  ],
  [
    "6.3: a stream that depends on itself",
    PROTOCOL_ERROR,
    open,
    frame(priority, 0, 1, Buffer.concat([uint32(1), Buffer.of(0)])),
  ],
  ["6.4: RST_STREAM on stream 0", PROTOCOL_ERROR, frame(frameType.rstStream, 0, 0, uint32(8))],
  [
    "6.4: RST_STREAM of a wrong length",
    FRAME_SIZE_ERROR,
    open,
    frame(frameType.rstStream, 0, 1, Buffer.alloc(3)),
  ],
  ["6.5: SETTINGS on a stream", PROTOCOL_ERROR, frame(frameType.settings, 0, 1)],
  [
    "6.5: SETTINGS with a part of a setting",
    FRAME_SIZE_ERROR,
    frame(frameType.settings, 0, 0, Buffer.alloc(5)),
  ],
  [
    "6.5: an acknowledgement with settings",
    FRAME_SIZE_ERROR,
    frame(frameType.settings, flag.ack, 0, Buffer.alloc(6)),
  ],
  ["6.5.2: SETTINGS_ENABLE_PUSH of 2", PROTOCOL_ERROR, settingsFrame([[2, 2]])],
  [
    "6.5.2: SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1",
    FLOW_CONTROL_ERROR,
    settingsFrame([[4, 0x8000_0000]]),
  ],
  ["6.5.2: SETTINGS_MAX_FRAME_SIZE below 2^14", PROTOCOL_ERROR, settingsFrame([[5, 16_383]])],
  ["6.5.2: SETTINGS_MAX_FRAME_SIZE above 2^24-1", PROTOCOL_ERROR, settingsFrame([[5, 0x100_0000]])],
  ["6.6: PUSH_PROMISE", PROTOCOL_ERROR, open, frame(pushPromise, flag.endHeaders, 1, uint32(2))],
  ["6.7: PING on a stream", PROTOCOL_ERROR, frame(frameType.ping, 0, 1, Buffer.alloc(8))],
  ["6.7: PING of a wrong length", FRAME_SIZE_ERROR, frame(frameType.ping, 0, 0, Buffer.alloc(7))],
  ["6.8: GOAWAY on a stream", PROTOCOL_ERROR, frame(frameType.goaway, 0, 1, Buffer.alloc(8))],
  [
    "6.8: GOAWAY of a wrong length",
    FRAME_SIZE_ERROR,
    frame(frameType.goaway, 0, 0, Buffer.alloc(7)),
  ],
  ["6.9: WINDOW_UPDATE of 0", PROTOCOL_ERROR, frame(frameType.windowUpdate, 0, 0, uint32(0))],
  [
    "6.9: WINDOW_UPDATE of 0 on a stream",
    PROTOCOL_ERROR,
    open,
    frame(frameType.windowUpdate, 0, 1, uint32(0)),
  ],
  [
    "6.9: WINDOW_UPDATE of a wrong length",
    FRAME_SIZE_ERROR,
    frame(frameType.windowUpdate, 0, 0, Buffer.alloc(3)),
  ],
  [
    "6.9.1: a window above 2^31-1",
    FLOW_CONTROL_ERROR,
    frame(frameType.windowUpdate, 0, 0, maxIncrement),
  ],
  [
    "6.9.2: SETTINGS that make a window too large",
    FLOW_CONTROL_ERROR,
    open,
    frame(frameType.windowUpdate, 0, 1, uint32(1000)),
    settingsFrame([[4, 0x7fff_ffff]]),
  ],
  [
    "6.10: CONTINUATION without HEADERS",
    PROTOCOL_ERROR,
    open,
    frame(frameType.continuation, flag.endHeaders, 1),
  ],
  [
    "6.10: CONTINUATION of another stream",
    PROTOCOL_ERROR,
    request(1, 0),
    frame(frameType.continuation, flag.endHeaders, 3),
  ],
  [
    "6.10: a header block with a frame in between",
    PROTOCOL_ERROR,
    request(1, 0),
    frame(0xbb, 0, 0),
  ],
];

/** What ends a stream. */
const streamErrors: readonly Violation[] = [
  ["5.1: DATA after the end of the request", STREAM_CLOSED, halfClosed, data(1, "a")],
  [
    "5.1: HEADERS after the end of the request",
    STREAM_CLOSED,
    halfClosed,
    request(1, endOfRequest),
  ],
  [
    "5.1: DATA on a stream that the client has reset",
    STREAM_CLOSED,
    open,
    frame(frameType.rstStream, 0, 1, uint32(8)),
    data(1, "a"),
  ],
  [
    "6.9.1: more DATA than the stream's window",
    FLOW_CONTROL_ERROR,
    open,
    ...Array.from({ length: 5 }, () => data(1, Buffer.alloc(16_000))),
  ],
  [
    "6.9.1: a stream's window above 2^31-1",
    FLOW_CONTROL_ERROR,
    open,
    frame(frameType.windowUpdate, 0, 1, maxIncrement),
  ],
  [
    "8.1: HEADERS in between",
    PROTOCOL_ERROR,
    open,
    frame(frameType.headers, flag.endHeaders, 1, hpackLiterals([["a", "b"]])),
  ],
  ["8.1: trailers with a pseudo-header", PROTOCOL_ERROR, open, request(1, endOfRequest)],
  [
    "8.1.1: less DATA than content-length",
    PROTOCOL_ERROR,
    request(1, flag.endHeaders, [["content-length", "2"]]),
    data(1, "a", flag.endStream),
  ],
  [
    "8.1.1: more DATA than content-length",
    PROTOCOL_ERROR,
    request(1, flag.endHeaders, [["content-length", "2"]]),
    data(1, "abc"),
  ],
  [
    "8.1.1: trailers before content-length is reached",
    PROTOCOL_ERROR,
    request(1, flag.endHeaders, [["content-length", "2"]]),
    frame(frameType.headers, endOfRequest, 1, hpackLiterals([["a", "b"]])),
  ],
  [
    "8.1.1: no DATA, but content-length",
    PROTOCOL_ERROR,
    request(1, endOfRequest, [["content-length", "2"]]),
  ],
  ["8.2: a name in upper case", PROTOCOL_ERROR, request(1, endOfRequest, [["A", "b"]])],
  [
    "8.3.1: no path",
    PROTOCOL_ERROR,
    frame(
      frameType.headers,
      endOfRequest,
      1,
      hpackLiterals([
        [":method", "GET"],
        [":scheme", "http"],
      ]),
    ),
  ],
];

describe("HTTP/2 violations", () => {
  let engine: Engine;
  let client: RawHttp2;

  beforeEach(async () => {
    engine = await Engine.start();
    engine.answer = () => {};
    engine.consumes = false;
    client = await engine.open();
  });

  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.errors).to.deep.equal([]);
    expect(engine.abuse).to.deep.equal([]);
    for (const { closed } of engine.exchanges) expect(closed).to.equal(1);
  });

  for (const [what, code, ...frames] of connectionErrors) {
    it(`ends the connection: ${what}`, async () => {
      client.write(...frames);
      expect(await goAwayCode(client)).to.equal(code);
      await client.closed;
      expect(engine.connectionErrors).to.have.length(1);
      expect(engine.connectionErrors[0]).to.include({ code });
      expect(engine.connection.openStreams).to.equal(0);
    });
  }

  for (const [what, code, ...frames] of streamErrors) {
    it(`resets the stream: ${what}`, async () => {
      client.write(...frames);
      expect(await resetCode(client, 1)).to.equal(code);
      // The connection goes on.
      client.write(request(3, endOfRequest));
      await until("the next request", async () => engine.exchanges.at(-1)?.stream.id === 3);
      engine.last.stream.respond(ok);
      await settled(client);
      expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
      expect(client.framesOf(frameType.rstStream)).to.have.length(1);
    });
  }

  it("tells the engine's user of a stream that the client made it reset", async () => {
    client.write(open, data(1, "a"), frame(frameType.windowUpdate, 0, 1, maxIncrement));
    await resetCode(client, 1);
    expect(engine.resets).to.deep.equal([engine.last.stream]);
    expect(engine.last.stream.resetCode).to.equal(undefined);
  });

  for (const [what, first] of [
    ["something else", Buffer.from("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")],
    [
      "another frame than SETTINGS",
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), open]),
    ],
    [
      "an acknowledgement",
      Buffer.concat([
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        frame(frameType.settings, flag.ack, 0),
      ]),
    ],
  ] as const) {
    it(`ends a connection that begins with ${what}`, async () => {
      const other = await engine.open({ preface: false });
      other.write(first);
      expect(await goAwayCode(other)).to.equal(PROTOCOL_ERROR);
      await other.closed;
    });
  }

  it("ignores what may have been sent before a reset arrived", async () => {
    client.write(open);
    await until("the request", async () => engine.exchanges.length === 1);
    engine.last.stream.reset(ErrorCode.CANCEL);
    await resetCode(client, 1);
    const trailers = frame(frameType.headers, endOfRequest, 1, hpackLiterals([["a", "b"]]));
    client.write(data(1, "a"), frame(frameType.windowUpdate, 0, 1, uint32(5)), trailers);
    await settled(client);
    expect(client.framesOf(frameType.rstStream)).to.have.length(1);
    // The trailers have ended it: nothing can be on the way any more.
    client.write(data(1, "a"));
    await until("a second reset", async () => client.framesOf(frameType.rstStream).length === 2);
    expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
  });

  it("ignores frames of unknown types, and PRIORITY on any stream", async () => {
    client.write(frame(0xbb, 0xff, 7, "abc"), frame(priority, 0, 99, Buffer.alloc(5)));
    client.write(settingsFrame([[99, 1]]));
    await settled(client);
    expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
  });
});

describe("HTTP/2 defects of receivers", () => {
  const failure = new Error("a defect");
  let engine: Engine;

  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
  });

  async function expectReset(client: RawHttp2): Promise<void> {
    expect(await resetCode(client, 1)).to.equal(ErrorCode.INTERNAL_ERROR);
    expect(engine.errors).to.deep.equal([{ error: failure, where: "HTTP/2 stream" }]);
    await settled(client);
    expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
  }

  it("end only the stream: onRequest", async () => {
    engine = await Engine.start({
      onRequest: () => {
        throw failure;
      },
    });
    const client = await engine.open();
    client.write(halfClosed);
    await expectReset(client);
  });

  for (const [what, frames] of [
    ["onData", [open, data(1, "a")]],
    [
      "onData with trailers",
      [open, frame(frameType.headers, endOfRequest, 1, hpackLiterals([["a", "b"]]))],
    ],
  ] as const) {
    it(`end only the stream: ${what}`, async () => {
      engine = await Engine.start({
        onRequest: (stream) => {
          stream.receiver = {
            onData: () => {
              throw failure;
            },
            onClose: () => {},
          };
        },
      });
      const client = await engine.open();
      client.write(...frames);
      await expectReset(client);
    });
  }

  it("end only the stream: onDrain", async () => {
    engine = await Engine.start({
      onRequest: (stream) => {
        stream.receiver = {
          onData: () => {},
          onClose: () => {},
          onDrain: () => {
            throw failure;
          },
        };
        stream.sendHeaders(ok);
        stream.write(Buffer.alloc(65_000));
        stream.write(Buffer.alloc(600));
      },
    });
    const client = await engine.open();
    client.write(halfClosed, frame(frameType.windowUpdate, 0, 0, uint32(1000)));
    client.write(frame(frameType.windowUpdate, 0, 1, uint32(1000)));
    await expectReset(client);
  });

  it("harm nothing: onClose", async () => {
    engine = await Engine.start({
      onRequest: (stream) => {
        stream.receiver = {
          onData: () => {},
          onClose: () => {
            throw failure;
          },
        };
        stream.respond(ok);
      },
    });
    const client = await engine.open();
    client.write(halfClosed, request(3, endOfRequest));
    await until("two responses", async () => client.framesOf(frameType.headers).length === 2);
    expect(engine.errors).to.have.length(2);
    await settled(client);
  });

  it("end the connection: a callback of the connection", async () => {
    engine = await Engine.start({
      onReset: () => {
        throw failure;
      },
    });
    engine.answer = () => {};
    const client = await engine.open();
    client.write(halfClosed, frame(frameType.rstStream, 0, 1, uint32(8)));
    expect(await goAwayCode(client)).to.equal(ErrorCode.INTERNAL_ERROR);
    expect(engine.errors).to.deep.equal([{ error: failure, where: "HTTP/2 connection" }]);
  });
});
