import { expect } from "chai";
import { CONNECTION_WINDOW } from "../../../src/server/http2/endpoint.ts";
import { ErrorCode } from "../../../src/server/http2/frames.ts";
import { FLUSH_BYTES } from "../../../src/server/http2/output.ts";
import {
  STREAM_WINDOW,
  type Stream,
  type StreamReceiver,
} from "../../../src/server/http2/stream.ts";
import {
  encodeFrame,
  flag,
  frameType,
  type RawHttp2,
  settingsFrame,
  uint32,
} from "../../support/raw-http2.ts";
import { until } from "../../support/until.ts";
import {
  bodyOf,
  data,
  Engine,
  type Exchange,
  endOfRequest,
  goAwayCode,
  ok,
  request,
  resetCode,
  settled,
  trailers,
} from "./engine.ts";

const initialWindow = (bytes: number) => settingsFrame([[4, bytes]]);
const window = (id: number, bytes: number) =>
  encodeFrame(frameType.windowUpdate, 0, id, uint32(bytes));

const body = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));

describe("HTTP/2 flow control", () => {
  let engine: Engine;

  beforeEach(async () => {
    engine = await Engine.start({ maxConcurrentStreams: 1000 });
    engine.answer = ({ stream }) => stream.respond(ok, body, trailers);
  });

  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.errors).to.deep.equal([]);
  });

  /** What the client still lets the server send in total, by its own count. */
  const received = (client: RawHttp2) =>
    client.framesOf(frameType.data).reduce((sum, { payload }) => sum + payload.length, 0);

  describe("of what is sent", () => {
    it("stays within the window of the connection and of each stream", async () => {
      const client = await engine.open({ settings: [[4, 40_000]] });
      client.write(request(1, endOfRequest), request(3, endOfRequest));
      await until("the connection's window is used", async () => received(client) === 65_535);
      expect(bodyOf(client, 1).length).to.equal(40_000);
      await settled(client);
      client.write(window(0, 10_000));
      await until("more", async () => received(client) === 75_535);
      expect(bodyOf(client, 3).length).to.equal(35_535);
      client.write(window(0, 200_000));
      await until("more", async () => received(client) === 80_000);
      client.write(window(1, 100_000), window(3, 100_000));
      await until("the responses", async () => client.framesOf(frameType.headers).length === 4);
      for (const id of [1, 3]) expect(bodyOf(client, id).equals(body)).to.equal(true);
    });

    it("shares a small window of the connection between streams", async () => {
      const client = await engine.open({ settings: [[4, 1_000_000]] });
      client.write(request(1, endOfRequest), request(3, endOfRequest), request(5, endOfRequest));
      await until("the window is used", async () => received(client) === 65_535);
      for (let total = 65_535; total < 290_000; ) {
        client.write(window(0, 5000));
        total += 5000;
        await until("more", async () => received(client) === total);
        const ahead = [1, 3, 5].map((id) => bodyOf(client, id).length);
        if (total > 200_000) expect(Math.max(...ahead) - Math.min(...ahead)).to.be.below(70_000);
      }
    });

    it("goes on after a window of zero, octet by octet", async () => {
      engine.answer = ({ stream }) => stream.respond(ok, Buffer.from("abc"), trailers);
      const client = await engine.open({ settings: [[4, 0]] });
      client.write(request(1, endOfRequest));
      await until("headers", async () => client.framesOf(frameType.headers).length === 1);
      await settled(client);
      for (const text of ["a", "ab", "abc"]) {
        expect(client.framesOf(frameType.headers)).to.have.length(1);
        client.write(window(1, 1));
        await until(text, async () => bodyOf(client, 1).toString() === text);
      }
      await until("trailers", async () => client.framesOf(frameType.headers).length === 2);
    });

    it("joins many tiny updates of one turn in one DATA frame", async () => {
      const client = await engine.open({ settings: [[4, 0]] });
      client.write(request(1, endOfRequest));
      await until("headers", async () => client.framesOf(frameType.headers).length === 1);
      client.write(Buffer.concat(Array(500).fill(window(1, 1))));
      await until("the octets", async () => bodyOf(client, 1).length === 500);
      expect(client.framesOf(frameType.data).length).to.be.at.most(2);
    });

    it("lets SETTINGS change windows, also below zero", async () => {
      const client = await engine.open({ settings: [[4, 1000]] });
      client.write(request(1, endOfRequest));
      await until("a part", async () => bodyOf(client, 1).length === 1000);
      client.write(initialWindow(400), window(1, 600));
      await settled(client);
      // The window was -600, and is 0.
      expect(bodyOf(client, 1).length).to.equal(1000);
      client.write(window(1, 1));
      await until("an octet", async () => bodyOf(client, 1).length === 1001);
      client.write(initialWindow(500));
      await until("more", async () => bodyOf(client, 1).length === 1101);
      expect(engine.last.stream.sendWindow).to.equal(0);
      // A new stream begins with the new window.
      client.write(request(3, endOfRequest));
      await until("a part", async () => bodyOf(client, 3).length === 500);
    });

    it("takes the last of several values in one SETTINGS frame", async () => {
      const client = await engine.open({
        settings: [
          [4, 100],
          [4, 1],
        ],
      });
      client.write(request(1, endOfRequest));
      await until("an octet", async () => bodyOf(client, 1).length === 1);
      await settled(client);
      expect(bodyOf(client, 1).length).to.equal(1);
    });

    it("spreads a large response over several turns of the event loop", async () => {
      engine.answer = ({ stream }) => stream.respond(ok, Buffer.alloc(8 * FLUSH_BYTES));
      const client = await engine.open({ settings: [[4, 0x7fff_ffff]] });
      client.write(window(0, 0x7000_0000));
      await settled(client);
      const { socket } = engine.connection;
      let inTurn = 0;
      let most = 0;
      const write = socket.write.bind(socket);
      socket.write = ((chunk: Uint8Array) => {
        if (inTurn === 0) {
          setImmediate(() => {
            inTurn = 0;
          });
        }
        inTurn += chunk.length;
        most = Math.max(most, inTurn);
        return write(chunk);
      }) as typeof socket.write;
      client.write(request(1, endOfRequest));
      await until("the response", async () => bodyOf(client, 1).length === 8 * FLUSH_BYTES);
      expect(most).to.be.at.most(FLUSH_BYTES + 20_000);
    });

    it("does not hold up a response without a body", async () => {
      engine.answer = ({ stream }) => stream.respond(ok, undefined, trailers);
      const client = await engine.open({ settings: [[4, 0]] });
      client.write(request(1, endOfRequest));
      await until("the response", async () => client.framesOf(frameType.headers).length === 2);
    });

    it("sends nothing of a stream that was reset while it waited", async () => {
      const client = await engine.open({ settings: [[4, 10]] });
      client.write(request(1, endOfRequest));
      await until("a part", async () => bodyOf(client, 1).length === 10);
      client.write(encodeFrame(frameType.rstStream, 0, 1, uint32(8)));
      client.write(window(1, 1000), window(0, 1000));
      await settled(client);
      expect(bodyOf(client, 1).length).to.equal(10);
      expect(engine.last.closed).to.equal(1);
    });

    it("asks for no more of a stream that another receiver has reset", async () => {
      const client = await engine.open({ settings: [[4, 100_000]] });
      engine.answer = ({ stream }) => {
        if (stream.id === 1) return;
        const [first, second] = engine.exchanges as [Exchange, Exchange];
        first.onClose = () => second.stream.reset(ErrorCode.CANCEL);
        first.stream.respond(ok);
        second.stream.sendHeaders(ok);
        expect(second.stream.write(Buffer.alloc(70_000))).to.equal(false);
      };
      client.write(window(0, 100_000), request(1, endOfRequest), request(3, endOfRequest));
      await resetCode(client, 3);
      expect([engine.last.closed, engine.last.drained]).to.deep.equal([1, 0]);
    });
  });

  describe("of what is received", () => {
    const full = Buffer.alloc(16_000);

    beforeEach(() => {
      engine.consumes = false;
      engine.answer = ({ stream }) => stream.respond(ok);
    });

    it("gives nothing back before it is consumed", async () => {
      const client = await engine.open();
      client.write(request(1), ...Array(4).fill(data(1, full)));
      await settled(client);
      const updates = () => client.framesOf(frameType.windowUpdate).slice(1);
      expect(updates()).to.deep.equal([]);
      engine.last.stream.consume(32_000);
      await settled(client);
      expect(updates()).to.deep.equal([]);
      engine.last.stream.consume(1000);
      await until("an update", async () => updates().length === 1);
      expect(updates()[0]).to.deep.include({ streamId: 1, payload: uint32(33_000) });
      // Not more than there was.
      engine.last.stream.consume(1_000_000);
      await settled(client);
      expect(updates()).to.have.length(1);
      expect(engine.last.stream.unconsumed).to.equal(0);
      expect(engine.last.stream.credit).to.equal(31_000);
    });

    it("keeps what arrives before there is a receiver", async () => {
      await engine[Symbol.asyncDispose]();
      const parts: [string, boolean][] = [];
      let closed = 0;
      const streams: Stream[] = [];
      engine = await Engine.start({ onRequest: (stream) => streams.push(stream) });
      const client = await engine.open();
      client.write(request(1), data(1, "a"), data(1, "b", flag.endStream));
      await settled(client);
      const receiver: StreamReceiver = {
        onData: (buffer, start, end, last) => {
          parts.push([buffer.toString("latin1", start, end), last]);
        },
        onClose: () => {
          closed += 1;
        },
      };
      const stream = streams[0];
      if (stream === undefined) throw new Error("there is no request");
      stream.receiver = receiver;
      expect(parts).to.deep.equal([["ab", true]]);
      expect(stream.unconsumed).to.equal(2);
      stream.respond(ok);
      await until("the end", async () => closed === 1);
      // A receiver that comes too late learns that.
      stream.receiver = receiver;
      expect([closed, parts.length]).to.deep.equal([2, 1]);
    });

    it("ends a stream that exceeds its window, and the others go on", async () => {
      const client = await engine.open();
      client.write(request(1), request(3), ...Array(4).fill(data(1, full)));
      client.write(data(1, Buffer.alloc(STREAM_WINDOW - 64_000)), data(3, "a"));
      await settled(client);
      expect(client.framesOf(frameType.rstStream)).to.deep.equal([]);
      client.write(data(1, "a"), data(3, "b"));
      expect(await resetCode(client, 1)).to.equal(ErrorCode.FLOW_CONTROL_ERROR);
      await until("the other", async () => engine.last.body.toString() === "ab");
    });

    it("ends a connection that exceeds its window", async () => {
      const client = await engine.open();
      const streams = Math.floor(CONNECTION_WINDOW / 64_000);
      const rest = CONNECTION_WINDOW - streams * 64_000;
      for (let index = 0; index <= streams; index += 1) client.write(request(2 * index + 1));
      for (let index = 0; index < 4 * streams; index += 1) {
        client.write(data(2 * (index >>> 2) + 1, full));
      }
      for (let left = rest; left > 0; left -= 16_000) {
        client.write(data(2 * streams + 1, Buffer.alloc(Math.min(left, 16_000))));
      }
      await settled(client);
      expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
      client.write(data(2 * streams + 1, "a"));
      expect(await goAwayCode(client)).to.equal(ErrorCode.FLOW_CONTROL_ERROR);
    });

    it("gives back padding, and what nobody gets", async () => {
      const client = await engine.open();
      const updates = (id: number) =>
        client
          .framesOf(frameType.windowUpdate)
          .filter(({ streamId }) => streamId === id)
          .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
      // The greeting raises it from the default.
      await until("the greeting", async () => updates(0) === CONNECTION_WINDOW - 65_535);
      client.write(request(1));
      const padded = Buffer.concat([Buffer.of(255), Buffer.alloc(256)]);
      for (let sent = 0; sent < 10_000; sent += 257) client.write(data(1, padded, 0x8));
      await settled(client);
      const { unconsumed, credit } = engine.last.stream;
      expect([unconsumed, credit]).to.deep.equal([39, 39 * 256]);
      // Until the client has ended it, a reset stream's DATA counts for the connection only.
      engine.last.stream.reset(ErrorCode.CANCEL);
      for (let sent = 0; sent < CONNECTION_WINDOW; sent += 16_000) client.write(data(1, full));
      await settled(client);
      expect(updates(0)).to.be.at.least(CONNECTION_WINDOW - 65_535 + CONNECTION_WINDOW / 2);
      expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
    });

    it("gives back what a closed stream's receiver has not consumed", async () => {
      const client = await engine.open();
      for (let index = 0; index < 40; index += 1) {
        const id = 2 * index + 1;
        client.write(request(id), data(id, full), data(id, full), data(id, full, flag.endStream));
        const responses = () => client.framesOf(frameType.headers).length;
        await until("the response", async () => responses() === index + 1);
      }
      expect(client.framesOf(frameType.goaway)).to.deep.equal([]);
      expect(client.framesOf(frameType.windowUpdate).length).to.be.above(2);
    });
  });
});
