import { expect } from "chai";
import { BLOCK_SIZE_FACTOR, MAX_UNSENT_BYTES } from "../../../src/server/http2/connection.ts";
import { HALF_OPEN_TIMEOUT_MS, INCOMPLETE_TIMEOUT_MS } from "../../../src/server/http2/endpoint.ts";
import {
  FRAME_BURST,
  FRAMES_PER_SECOND,
  OVERSIZED_LIST_COST,
} from "../../../src/server/http2/flood-limits.ts";
import { ErrorCode } from "../../../src/server/http2/frames.ts";
import { MAX_BACKLOG_BYTES } from "../../../src/server/http2/output.ts";
import { MAX_SETTINGS } from "../../../src/server/http2/settings.ts";
import { MIN_PROGRESS_BYTES } from "../../../src/server/http2/stream.ts";
import { MAX_REMEMBERED_RESETS } from "../../../src/server/http2/stream-table.ts";
import {
  encodeFrame,
  flag,
  frameType,
  hpackLiterals,
  hpackReference,
  preface,
  type RawHttp2,
  settingsFrame,
  uint32,
} from "../../support/raw-http2.ts";
import { until } from "../../support/until.ts";
import {
  bodyOf,
  data,
  Engine,
  endOfRequest,
  goAwayCode,
  headerFields,
  ok,
  request,
  resetCode,
  settled,
  trailers,
} from "./engine.ts";

const maxConcurrentStreams = 100;
const maxHeaderListSize = 16_384;
const stallTimeoutMs = 30_000;
const ping = encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8));
const reset = (id: number) => encodeFrame(frameType.rstStream, 0, id, uint32(ErrorCode.CANCEL));

/** The ids of a client's streams. */
const ids = (count: number, first = 1) => Array.from({ length: count }, (_, i) => first + 2 * i);

describe("HTTP/2 floods", () => {
  let engine: Engine;
  let client: RawHttp2;

  beforeEach(async () => {
    engine = await Engine.start({ maxConcurrentStreams, maxHeaderListSize, stallTimeoutMs });
    engine.answer = () => {};
    client = await engine.open();
    await settled(client);
    // So that each test has the whole budget.
    engine.tick(1000);
  });

  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.errors).to.deep.equal([]);
  });

  async function expectAbuse(reason: string): Promise<void> {
    await client.closed;
    const codes = client.framesOf(frameType.goaway).map(({ payload }) => payload.readUInt32BE(4));
    expect(codes.at(-1)).to.equal(ErrorCode.ENHANCE_YOUR_CALM);
    expect(engine.abuse).to.deep.equal([reason]);
    expect(engine.connectionErrors).to.deep.equal([]);
    expect(engine.connection.openStreams).to.equal(0);
  }

  async function expectPeace(): Promise<void> {
    await until("all frames are read", async () => client.socket.writableLength === 0);
    engine.tick(10_000);
    await settled(client);
    expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
    expect(engine.abuse).to.deep.equal([]);
  }

  /** Frames that bring nothing forward; of each the budget allows FRAME_BURST at once. */
  const floods: readonly (readonly [what: string, frame: Buffer, ...before: Buffer[]])[] = [
    ["PING frames", ping],
    ["PING frames", encodeFrame(frameType.ping, flag.ack, 0, Buffer.alloc(8))],
    ["SETTINGS frames", settingsFrame([[4, 65_535]])],
    ["SETTINGS frames", encodeFrame(frameType.settings, flag.ack, 0)],
    ["PRIORITY frames", encodeFrame(2, 0, 3, Buffer.alloc(5))],
    ["WINDOW_UPDATE frames", encodeFrame(frameType.windowUpdate, 0, 0, uint32(1))],
    ["WINDOW_UPDATE frames", encodeFrame(frameType.windowUpdate, 0, 1, uint32(1)), request(1)],
    ["empty DATA frames", data(1), request(1)],
    ["empty DATA frames", data(1, Buffer.from([1, 0]), 0x8), request(1)],
    ["frames of unknown types", encodeFrame(0xbb, 0, 0, Buffer.alloc(8))],
    ["GOAWAY frames", encodeFrame(frameType.goaway, 0, 0, Buffer.alloc(8)), request(1)],
    ["RST_STREAM frames on closed streams", reset(1), request(1), reset(1)],
  ];

  for (const [index, [what, frame, ...before]] of floods.entries()) {
    it(`are limited: ${what}, ${index}`, async () => {
      // What comes before may have earned or spent some, but not more than this.
      const spare = 10;
      client.write(...before, Buffer.concat(Array(FRAME_BURST - spare).fill(frame)));
      await until("all frames are read", async () => client.socket.writableLength === 0);
      await settled(client);
      expect(engine.abuse).to.deep.equal([]);
      client.write(Buffer.concat(Array(2 * spare).fill(frame)));
      await expectAbuse(`too many ${what} without progress`);
    });
  }

  it("have a budget that comes back with time, and not above the burst", async () => {
    const spend = async (count: number) => {
      client.write(Buffer.concat(Array(count).fill(ping)));
      await settled(client);
    };
    await spend(FRAME_BURST - 10);
    // A second after that before the test.
    engine.tick(2000);
    await spend(FRAMES_PER_SECOND - 10);
    engine.tick(1_000_000);
    await spend(FRAME_BURST - 10);
    expect(engine.abuse).to.deep.equal([]);
    client.write(Buffer.concat(Array(20).fill(ping)));
    await expectAbuse("too many PING frames without progress");
  });

  it("do not limit a client that makes progress", async () => {
    engine.answer = ({ stream }) => stream.respond(ok, Buffer.alloc(2000), trailers);
    const window = (id: number) => encodeFrame(frameType.windowUpdate, 0, id, uint32(2000));
    for (const id of ids(2000)) {
      client.write(request(id), data(id, "a", flag.endStream), ping, window(0), window(id));
      if (id % 50 === 1) await settled(client);
    }
    await until("all responses", async () => client.framesOf(frameType.headers).length === 4000);
    await expectPeace();
  });

  it("of DATA on closed streams are limited", async () => {
    client.write(request(1));
    await until("the request", async () => engine.exchanges.length === 1);
    engine.last.stream.reset(ErrorCode.CANCEL);
    client.write(Buffer.concat(Array(FRAME_BURST + 10).fill(data(1, "a"))));
    await expectAbuse("too many DATA frames on closed streams without progress");
  });

  it("of streams after GOAWAY are limited", async () => {
    client.write(request(1));
    await until("the request", async () => engine.exchanges.length === 1);
    engine.connection.drain();
    await until("both GOAWAYs", async () => client.framesOf(frameType.goaway).length === 2);
    client.write(...ids(FRAME_BURST + 10, 3).map((id) => request(id, endOfRequest)));
    await until("the connection's end", async () => engine.abuse.length > 0);
    expect(engine.abuse).to.deep.equal([
      "too many HEADERS frames on closed streams without progress",
    ]);
    expect(engine.exchanges).to.have.length(1);
  });

  it("of streams over the limit are refused, and limited", async () => {
    client.write(...ids(maxConcurrentStreams).map((id) => request(id, endOfRequest)));
    const more = ids(20, 2 * maxConcurrentStreams + 1);
    client.write(...more.map((id) => request(id, endOfRequest)));
    for (const id of more) expect(await resetCode(client, id)).to.equal(ErrorCode.REFUSED_STREAM);
    expect(engine.exchanges).to.have.length(maxConcurrentStreams);
    client.write(...ids(FRAME_BURST, 1001).map((id) => request(id, endOfRequest)));
    client.write(...ids(400, 5001).map((id) => request(id, endOfRequest)));
    await expectAbuse("too many streams over the limit without progress");
  });

  describe("of resets", () => {
    it("are limited within one chunk (CVE-2023-44487)", async () => {
      client.write(Buffer.concat(ids(500).flatMap((id) => [request(id), reset(id)])));
      await expectAbuse("too many streams are reset");
      expect(engine.exchanges).to.have.length(maxConcurrentStreams + 1);
      expect(engine.resets).to.have.length(maxConcurrentStreams);
    });

    it("are allowed up to the limit, and again after a second", async () => {
      client.write(...ids(maxConcurrentStreams).flatMap((id) => [request(id), reset(id)]));
      await settled(client);
      engine.tick(2000);
      const more = ids(maxConcurrentStreams, 1001);
      client.write(...more.flatMap((id) => [request(id), reset(id)]));
      await expectPeace();
      expect(engine.resets).to.have.length(2 * maxConcurrentStreams);
    });

    it("may end the connection by the user's decision, at once", async () => {
      await engine[Symbol.asyncDispose]();
      engine = await Engine.start({
        onReset: (stream) => stream.connection.destroy(ErrorCode.ENHANCE_YOUR_CALM, "enough"),
      });
      client = await engine.open();
      client.write(...ids(50).flatMap((id) => [request(id), reset(id)]));
      await expectAbuse("enough");
      expect(engine.exchanges).to.have.length(1);
    });

    /** CVE-2025-8671: what makes the server reset streams. */
    const provocations: readonly (readonly [what: string, make: (id: number) => Buffer[]])[] = [
      [
        "a window above the largest",
        (id) => [request(id), encodeFrame(frameType.windowUpdate, 0, id, uint32(0x7fff_ffff))],
      ],
      ["DATA after the end", (id) => [request(id, endOfRequest), data(id, "a")]],
      [
        "a wrong content-length",
        (id) => [
          request(id, flag.endHeaders, [["content-length", "9"]]),
          data(id, "a", flag.endStream),
        ],
      ],
      ["malformed headers", (id) => [request(id, endOfRequest, [["A", "b"]])]],
      ["malformed trailers", (id) => [request(id), request(id, endOfRequest)]],
      ["DATA on streams that are closed", (id) => [request(id), reset(id), data(id, "a")]],
    ];
    for (const [what, make] of provocations) {
      it(`are limited also when the server is made to: ${what}`, async () => {
        client.write(Buffer.concat(ids(200).flatMap(make)));
        await expectAbuse("too many streams are reset");
        expect(engine.exchanges.length).to.be.at.most(maxConcurrentStreams + 1);
      });
    }

    it("are not counted when the server's user resets", async () => {
      engine.answer = ({ stream }) => stream.reset(ErrorCode.INTERNAL_ERROR);
      client.write(...ids(500).map((id) => request(id, endOfRequest)));
      await until("all resets", async () => client.framesOf(frameType.rstStream).length === 500);
      await expectPeace();
    });

    it("are remembered for a bounded number of streams", async () => {
      engine.answer = () => {};
      for (const first of [1, 201, 401]) {
        client.write(...ids(100, first).map((id) => request(id)));
        await until("the requests", async () => engine.exchanges.length === (first + 199) / 2);
        for (const { stream } of engine.exchanges) stream.reset(ErrorCode.CANCEL);
      }
      await until("the resets", async () => client.framesOf(frameType.rstStream).length === 300);
      const first = data(2 * (300 - MAX_REMEMBERED_RESETS) + 1, "a");
      client.write(data(599, "a"), first);
      await settled(client);
      expect(client.framesOf(frameType.rstStream)).to.have.length(300);
      client.write(data(2 * (300 - MAX_REMEMBERED_RESETS) - 1, "a"));
      await until("another", async () => client.framesOf(frameType.rstStream).length === 301);
    });
  });

  describe("of headers", () => {
    const continuation = (flags: number, payload: Uint8Array) =>
      encodeFrame(frameType.continuation, flags, 1, payload);

    it("are accepted in a few CONTINUATION frames", async () => {
      const parts = hpackLiterals([...headerFields, ["a", "x".repeat(12_000)]]);
      const cuts = [0, 10, 4000, 8000, parts.length];
      client.write(
        encodeFrame(frameType.headers, flag.endStream, 1, parts.subarray(cuts[0], cuts[1])),
        continuation(0, parts.subarray(cuts[1], cuts[2])),
        continuation(0, parts.subarray(cuts[2], cuts[3])),
        continuation(flag.endHeaders, parts.subarray(cuts[3], cuts[4])),
      );
      await until("the request", async () => engine.exchanges[0]?.ended);
      expect(engine.last.stream.headers.get("a")).to.have.length(12_000);
    });

    it("are limited in CONTINUATION frames (CVE-2024-27316)", async () => {
      client.write(request(1, 0), ...Array(11).fill(continuation(0, Buffer.alloc(0))));
      await expectAbuse("a header block has no end");
    });

    it("are limited in octets", async () => {
      const limit = BLOCK_SIZE_FACTOR * maxHeaderListSize;
      const first = encodeFrame(frameType.headers, 0, 1, Buffer.alloc(16_384));
      client.write(first, continuation(0, Buffer.alloc(limit - 16_384)));
      await settledDuringBlock();
      expect(engine.abuse).to.deep.equal([]);
      client.write(continuation(0, Buffer.alloc(1)));
      await expectAbuse("a header block has no end");
    });

    /** Within a header block a PING would be an error. */
    async function settledDuringBlock(): Promise<void> {
      const { socket } = engine.connection as { socket: { bytesRead?: number } };
      const sent = () => client.socket.bytesWritten;
      await until("all is read", async () => socket.bytesRead === sent());
    }

    it("are limited in time, block and frame", async () => {
      const before = performance.now();
      client.write(request(1, 0));
      await settledDuringBlock();
      engine.tick(INCOMPLETE_TIMEOUT_MS - 1000, before);
      expect(engine.abuse).to.deep.equal([]);
      engine.tick(INCOMPLETE_TIMEOUT_MS + 1000);
      await expectAbuse("a frame or header block takes too long");
    });

    it("are limited in time: a part of a frame", async () => {
      const before = performance.now();
      client.write(request(1).subarray(0, 12));
      await settledDuringBlock();
      engine.tick(INCOMPLETE_TIMEOUT_MS - 1000, before);
      expect(engine.abuse).to.deep.equal([]);
      engine.tick(INCOMPLETE_TIMEOUT_MS + 1000);
      await expectAbuse("a frame or header block takes too long");
    });

    it("are refused when the list is too large, also before SETTINGS is acknowledged", async () => {
      const unbound = await engine.open({ acknowledge: false });
      const reference = Buffer.concat(Array(5).fill(hpackReference(62)));
      const bomb = hpackLiterals([["a", "x".repeat(3900)]], { index: true });
      const headers = (id: number, ...blocks: Buffer[]) =>
        encodeFrame(frameType.headers, endOfRequest, id, Buffer.concat(blocks));
      const fields = hpackLiterals(headerFields);
      unbound.write(headers(1, fields, bomb), headers(3, fields, reference), headers(5, fields));
      expect(await resetCode(unbound, 3)).to.equal(ErrorCode.ENHANCE_YOUR_CALM);
      await until("the others", async () => engine.exchanges.length === 2);
    });

    it("are refused when there are too many, and limited", async () => {
      const many = Array.from({ length: 97 }, (): [string, string] => ["a", ""]);
      client.write(request(1, endOfRequest, many), request(3, endOfRequest, many.slice(1)));
      expect(await resetCode(client, 1)).to.equal(ErrorCode.ENHANCE_YOUR_CALM);
      await until("the other", async () => engine.exchanges.length === 1);
      const allowed = FRAME_BURST / OVERSIZED_LIST_COST;
      client.write(...ids(allowed + 1, 5).map((id) => request(id, endOfRequest, many)));
      await expectAbuse("too many too large header lists without progress");
    });

    it("are refused in trailers", async () => {
      client.write(request(1));
      const many = Array.from({ length: 101 }, (): [string, string] => ["a", ""]);
      client.write(encodeFrame(frameType.headers, endOfRequest, 1, hpackLiterals(many)));
      expect(await resetCode(client, 1)).to.equal(ErrorCode.ENHANCE_YOUR_CALM);
      expect(engine.last.closed).to.equal(1);
    });
  });

  it("of settings in one frame are limited", async () => {
    client.write(settingsFrame(Array(MAX_SETTINGS).fill([99, 1])));
    await settled(client);
    client.write(settingsFrame(Array(MAX_SETTINGS + 1).fill([99, 1])));
    await expectAbuse(`SETTINGS has more than ${MAX_SETTINGS} settings`);
  });
});

describe("HTTP/2 slow clients", () => {
  let engine: Engine;

  beforeEach(async () => {
    engine = await Engine.start({ maxConcurrentStreams: 1000, stallTimeoutMs });
  });

  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.errors).to.deep.equal([]);
  });

  const connected = () => until("the connection", async () => engine.connections.length === 1);

  it("have to acknowledge the settings in time", async () => {
    const before = performance.now();
    const client = await engine.open({ acknowledge: false });
    await settled(client);
    engine.tick(9000, before);
    await settled(client);
    engine.tick(11_000);
    expect(await goAwayCode(client)).to.equal(ErrorCode.SETTINGS_TIMEOUT);
    await client.closed;
  });

  it("have to send the preface in time", async () => {
    const client = await engine.open({ preface: false });
    client.write(preface.subarray(0, 10));
    await connected();
    engine.tick(11_000);
    expect(await goAwayCode(client)).to.equal(ErrorCode.SETTINGS_TIMEOUT);
  });

  it("have to close their side after the server has closed its own", async () => {
    const client = await engine.open();
    await settled(client);
    // Keeps its side open.
    client.socket.allowHalfOpen = true;
    const before = performance.now();
    engine.connection.destroy(ErrorCode.NO_ERROR, "for a test");
    await goAwayCode(client);
    engine.tick(HALF_OPEN_TIMEOUT_MS - 1000, before);
    expect(engine.closed).to.equal(0);
    client.write(ping);
    engine.tick(HALF_OPEN_TIMEOUT_MS + 1000);
    await until("the socket's end", async () => engine.closed === 1);
  });

  it("are gone when they have ended their side", async () => {
    engine.answer = () => {};
    const client = await engine.open();
    client.write(request(1, endOfRequest));
    await until("the request", async () => engine.exchanges.length === 1);
    client.socket.end();
    await until("the socket's end", async () => engine.closed === 1);
    expect(engine.last.closed).to.equal(1);
  });

  it("have to give a response its window in time", async () => {
    engine.answer = ({ stream }) => stream.respond(ok, Buffer.alloc(10_000), trailers);
    const client = await engine.open({ settings: [[4, 0]] });
    client.write(request(1, endOfRequest), request(3, endOfRequest));
    await until(
      "both responses begin",
      async () => client.framesOf(frameType.headers).length === 2,
    );
    const window = (id: number, bytes: number) =>
      encodeFrame(frameType.windowUpdate, 0, id, uint32(bytes));

    const before = performance.now();
    engine.tick(0, before);
    client.write(window(1, MIN_PROGRESS_BYTES - 1), window(3, MIN_PROGRESS_BYTES));
    await until("the windows are used", async () => {
      return bodyOf(client, 3).length === MIN_PROGRESS_BYTES;
    });
    engine.tick(stallTimeoutMs - 1000, before);
    expect(engine.connection.openStreams).to.equal(2);
    // The first has brought too little forward, though not nothing.
    engine.tick(stallTimeoutMs + 1000);
    expect(await resetCode(client, 1)).to.equal(ErrorCode.CANCEL);
    expect(engine.connection.openStreams).to.equal(1);
    client.write(window(3, 10_000));
    await until("the second response", async () => engine.exchanges[1]?.stream.complete);
    expect(engine.connection.openStreams).to.equal(0);
  });

  it("have to read, and are not read above a backlog", async () => {
    const body = Buffer.alloc(60_000);
    engine.answer = ({ stream }) => stream.respond(ok, body);
    const client = await engine.open({ settings: [[4, 0x7fff_ffff]] });
    client.write(encodeFrame(frameType.windowUpdate, 0, 0, uint32(0x7000_0000)));
    await settled(client);
    const before = performance.now();
    engine.tick(0, before);
    client.socket.pause();
    let id = 1;
    await until("the server reads no more", async () => {
      client.write(request(id, endOfRequest));
      id += 2;
      return engine.connection.socket.isPaused();
    });
    const { socket } = engine.connection;
    expect(socket.writableLength).to.be.above(MAX_BACKLOG_BYTES);
    expect(socket.writableLength).to.be.below(4 * MAX_BACKLOG_BYTES);
    const served = engine.exchanges.length;
    client.write(...ids(100, id).map((next) => request(next, endOfRequest)));

    engine.tick(stallTimeoutMs - 1000, before);
    expect(socket.destroyed).to.equal(false);
    client.socket.resume();
    await until("the rest is read", async () => engine.exchanges.length >= served + 100);
    await until("all is sent", async () => engine.connection.openStreams === 0);

    client.socket.pause();
    await until("the server reads no more", async () => {
      client.write(request(client.streamId() + 100_000, endOfRequest));
      return engine.connection.socket.isPaused();
    });
    engine.tick(stallTimeoutMs);
    engine.tick(2 * stallTimeoutMs + 2000);
    await until("the socket's end", async () => engine.closed === 1);
  });

  it("open no more streams while too much waits for their windows", async () => {
    const body = Buffer.alloc(1024 * 1024);
    engine.answer = ({ stream }) => stream.respond(ok, body);
    const client = await engine.open({ settings: [[4, 0]] });
    const most = MAX_UNSENT_BYTES / body.length + 1;
    client.write(...ids(most).map((id) => request(id, endOfRequest)));
    await until("the responses begin", async () => {
      return client.framesOf(frameType.headers).length === most;
    });
    client.write(request(999, endOfRequest));
    expect(await resetCode(client, 999)).to.equal(ErrorCode.REFUSED_STREAM);
    client.write(encodeFrame(frameType.rstStream, 0, 1, uint32(8)), request(1001, endOfRequest));
    await until("the next", async () => engine.exchanges.length === most + 1);
  });
});
