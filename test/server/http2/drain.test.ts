import http2 from "node:http2";
import { expect } from "chai";
import { ErrorCode } from "../../../src/server/http2/frames.ts";
import { encodeFrame, flag, frameType, type RawHttp2 } from "../../support/raw-http2.ts";
import { until } from "../../support/until.ts";
import { data, Engine, endOfRequest, ok, request, settled, trailers } from "./engine.ts";

describe("HTTP/2 end of a connection", () => {
  let engine: Engine;

  beforeEach(async () => {
    engine = await Engine.start();
    engine.answer = () => {};
  });

  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.errors).to.deep.equal([]);
    expect(engine.connectionErrors).to.deep.equal([]);
  });

  /** The last stream id and the code of each GOAWAY. */
  const goAways = (client: RawHttp2) =>
    client
      .framesOf(frameType.goaway)
      .map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);

  const first = [0x7fff_ffff, ErrorCode.NO_ERROR];

  it("tells the client twice, serves what has come, and ignores later streams", async () => {
    const client = await engine.open();
    client.write(request(1, endOfRequest), request(3));
    await until("the requests", async () => engine.exchanges.length === 2);
    engine.connection.drain();
    engine.connection.drain();
    expect(engine.connection.stage).to.equal("draining");
    await until("both GOAWAYs", async () => goAways(client).length === 2);
    expect(goAways(client)).to.deep.equal([first, [3, ErrorCode.NO_ERROR]]);

    client.write(request(5), data(5, "a"), data(3, "b", flag.endStream));
    await until("the end of a request", async () => engine.last.ended);
    expect(engine.exchanges).to.have.length(2);
    for (const { stream } of engine.exchanges) stream.respond(ok, Buffer.from("c"), trailers);
    await client.closed;
    expect(client.framesOf(frameType.headers).map(({ streamId }) => streamId)).to.deep.equal([
      1, 1, 3, 3,
    ]);
    expect(client.framesOf(frameType.rstStream)).to.deep.equal([]);
    expect(engine.exchanges.map(({ stream }) => stream.complete)).to.deep.equal([true, true]);
  });

  it("serves streams that come before the second GOAWAY", async () => {
    const client = await engine.open({ pong: false });
    client.write(request(1, endOfRequest));
    await until("a request", async () => engine.exchanges.length === 1);
    const beforeDrain = performance.now();
    engine.connection.drain();
    await until("the first GOAWAY", async () => goAways(client).length === 1);
    client.write(request(3, endOfRequest));
    await until("another request", async () => engine.exchanges.length === 2);
    engine.tick(900, beforeDrain);
    await settled(client);
    expect(goAways(client)).to.deep.equal([first]);
    // A client that does not answer PING is waited for no longer than a second.
    engine.tick(1100);
    await until("the second GOAWAY", async () => goAways(client).length === 2);
    expect(goAways(client)[1]).to.deep.equal([3, ErrorCode.NO_ERROR]);
    for (const { stream } of engine.exchanges) stream.respond(ok);
    await client.closed;
  });

  it("closes an idle connection", async () => {
    const client = await engine.open();
    await settled(client);
    engine.connection.drain();
    await client.closed;
    expect(goAways(client)).to.deep.equal([first, [0, ErrorCode.NO_ERROR]]);
    await until("told", async () => engine.closed === 1);
  });

  it("closes when the last stream is reset", async () => {
    const client = await engine.open();
    client.write(request(1, endOfRequest));
    await until("a request", async () => engine.exchanges.length === 1);
    engine.connection.drain();
    await until("both GOAWAYs", async () => goAways(client).length === 2);
    engine.last.stream.reset(ErrorCode.CANCEL);
    await client.closed;
    expect(client.framesOf(frameType.rstStream)).to.have.length(1);
  });

  it("closes when the client resets the last stream", async () => {
    const client = await engine.open();
    client.write(request(1, endOfRequest));
    await until("a request", async () => engine.exchanges.length === 1);
    engine.connection.drain();
    await until("both GOAWAYs", async () => goAways(client).length === 2);
    client.write(encodeFrame(frameType.rstStream, 0, 1, Buffer.from([0, 0, 0, 8])));
    await client.closed;
  });

  it("lets node:http2's client end its calls, and open no more", async () => {
    const session = http2.connect(engine.url);
    const stream = session.request({ ":method": "POST" }, { endStream: true });
    await until("a request", async () => engine.exchanges[0]?.ended);
    engine.connection.drain();
    await until("GOAWAY", async () => session.closed);
    engine.last.stream.respond(ok, Buffer.from("abc"), trailers);
    expect((await stream.toArray()).join("")).to.equal("abc");
    await until("closed", async () => session.destroyed);
    await until("told", async () => engine.closed === 1);
  });

  it("serves the streams of a client that sends GOAWAY, and ends with them", async () => {
    const client = await engine.open();
    client.write(request(1, endOfRequest), encodeFrame(frameType.goaway, 0, 0, Buffer.alloc(8)));
    await until("a request", async () => engine.exchanges[0]?.ended);
    expect(engine.connection.stage).to.equal("drained");
    engine.last.stream.respond(ok);
    await client.closed;
    expect(client.framesOf(frameType.headers)).to.have.length(1);
  });

  it("can come at once, with any code", async () => {
    const client = await engine.open();
    client.write(request(1, endOfRequest));
    await until("a request", async () => engine.exchanges.length === 1);
    engine.connection.destroy(ErrorCode.INTERNAL_ERROR, "for a test");
    engine.connection.destroy(ErrorCode.NO_ERROR, "again");
    expect(engine.last.closed).to.equal(1);
    await client.closed;
    expect(goAways(client)).to.deep.equal([[1, ErrorCode.INTERNAL_ERROR]]);
    expect(engine.abuse).to.deep.equal([]);
  });

  it("tells since when a connection is idle", async () => {
    const client = await engine.open();
    await settled(client);
    const { idleSince } = engine.connection;
    client.write(request(1, endOfRequest));
    await until("a request", async () => engine.exchanges.length === 1);
    expect([engine.connection.openStreams, engine.connection.idleSince]).to.deep.equal([
      1,
      idleSince,
    ]);
    engine.last.stream.respond(ok);
    await until("idle", async () => engine.connection.openStreams === 0);
    expect(engine.connection.idleSince).to.be.above(idleSince);
  });
});
