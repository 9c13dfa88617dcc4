import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { duplexPair } from "node:stream";
import { buffer } from "node:stream/consumers";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { expect } from "chai";
import { ARENA_BYTES } from "../../../src/server/http2/arena.ts";
import { ErrorCode } from "../../../src/server/http2/frames.ts";
import { encodeHeaders } from "../../../src/server/http2/hpack-encoder.ts";
import { testCertificate, testKey } from "../../support/test-certificate.ts";
import { until } from "../../support/until.ts";
import { Engine, ok, trailers } from "./engine.ts";

interface Response {
  headers: IncomingHttpHeaders;
  informational: IncomingHttpHeaders[];
  trailers: IncomingHttpHeaders | undefined;
  body: Buffer;
  rstCode: number | undefined;
}

async function call(
  session: ClientHttp2Session,
  body?: Uint8Array,
  headers: http2.OutgoingHttpHeaders = {},
  requestTrailers?: http2.OutgoingHttpHeaders,
): Promise<Response> {
  const stream = session.request(
    { ":method": "POST", ":path": "/path?query", ...headers },
    { endStream: body === undefined, waitForTrailers: requestTrailers !== undefined },
  );
  const response: Response = {
    headers: {},
    informational: [],
    trailers: undefined,
    body: Buffer.alloc(0),
    rstCode: undefined,
  };
  stream.on("headers", (received) => response.informational.push(received));
  stream.on("response", (received) => {
    response.headers = received;
  });
  stream.on("trailers", (received) => {
    response.trailers = received;
  });
  stream.on("error", () => {});
  stream.on("wantTrailers", () => stream.sendTrailers(requestTrailers ?? {}));
  const closed = new Promise((resolve) => stream.once("close", resolve));
  if (body !== undefined) stream.end(body);
  response.body = await buffer(stream).catch(() => Buffer.alloc(0));
  await closed;
  response.rstCode = stream.rstCode;
  return response;
}

describe("HTTP/2 connection", () => {
  let engine: Engine;
  let session: ClientHttp2Session;

  beforeEach(async () => {
    engine = await Engine.start();
    session = http2.connect(engine.url);
    session.on("error", () => {});
  });

  afterEach(async () => {
    session.destroy();
    await engine[Symbol.asyncDispose]();
    expect(engine.errors).to.deep.equal([]);
  });

  it("serves a short call", async () => {
    engine.answer = ({ stream, body }) => stream.respond(ok, body, trailers);
    const response = await call(session, Buffer.from("hello"), { a: "b" });
    expect(response.headers).to.include({ ":status": 200, "content-type": "text/plain" });
    expect(response.body.toString()).to.equal("hello");
    expect(response.trailers).to.include({ "grpc-status": "0" });
    expect(response.rstCode).to.equal(0);

    const { stream, closed, ended } = engine.last;
    expect(stream.head).to.include({ method: "POST", path: "/path?query", scheme: "http" });
    expect(stream.headers.get("a")).to.equal("b");
    expect([stream.complete, stream.closed, stream.resetCode]).to.deep.equal([
      true,
      true,
      undefined,
    ]);
    expect([closed, ended]).to.deep.equal([1, true]);
    expect(engine.connection.openStreams).to.equal(0);
  });

  it("serves calls without a body, in either direction", async () => {
    const response = await call(session);
    expect(response.headers[":status"]).to.equal(200);
    expect(response.body.length).to.equal(0);
    expect(response.trailers).to.equal(undefined);
    expect(engine.last.stream.complete).to.equal(true);
  });

  it("serves many calls at once", async () => {
    engine.answer = ({ stream, body }) => stream.respond(ok, body, trailers);
    await call(session);
    const bodies = Array.from({ length: 99 }, (_, index) => `body ${index}`);
    const responses = await Promise.all(bodies.map((body) => call(session, Buffer.from(body))));
    expect(responses.map(({ body }) => body.toString())).to.deep.equal(bodies);
  });

  it("sends what becomes ready in one turn of the event loop with one system call", async () => {
    await call(session);
    const waiting: (() => void)[] = [];
    engine.answer = ({ stream }) =>
      waiting.push(() => stream.respond(ok, Buffer.from("x"), trailers));
    const socket = engine.connection.socket as Socket;
    let systemCalls = 0;
    for (const name of ["_write", "_writev"] as const) {
      const original = socket[name]?.bind(socket) as (...args: unknown[]) => void;
      socket[name] = (...args: unknown[]) => {
        systemCalls += 1;
        original(...args);
      };
    }
    // Until the arena has come to an end, where an answer lies in two buffers.
    const end = socket.bytesWritten + ARENA_BYTES;
    while (socket.bytesWritten <= end) {
      const calls = Array.from({ length: 50 }, () => call(session, Buffer.from("a")));
      await until("all calls wait", async () => waiting.length === 50);
      systemCalls = 0;
      for (const respond of waiting.splice(0)) respond();
      await Promise.all(calls);
      expect(systemCalls).to.equal(1);
    }
  });

  it("carries large bodies both ways, whole and in parts", async () => {
    const body = randomBytes(3_000_000);
    engine.answer = ({ stream, body }) => stream.respond(ok, body, trailers);
    expect((await call(session, body)).body.equals(body)).to.equal(true);

    engine.answer = ({ stream, body }) => {
      stream.sendHeaders(ok);
      for (let at = 0; at < body.length; at += 100_000)
        stream.write(body.subarray(at, at + 100_000));
      stream.end();
    };
    const response = await call(session, body);
    expect(response.body.equals(body)).to.equal(true);
    expect(response.trailers).to.equal(undefined);
  });

  it("joins small parts in one DATA frame, and ends without trailers", async () => {
    engine.answer = ({ stream }) => {
      stream.sendHeaders(ok);
      for (const part of ["a", "", "b", "c"]) stream.write(Buffer.from(part));
    };
    const response = call(session);
    await until("the parts have left", async () => engine.exchanges[0]?.stream.sent === 3);
    engine.last.stream.end();
    expect((await response).body.toString()).to.equal("abc");
  });

  it("asks to wait when much is unsent, and tells when there is room again", async () => {
    const part = Buffer.alloc(60_000);
    const results: boolean[] = [];
    engine.answer = ({ stream }) => {
      stream.sendHeaders(ok);
      results.push(stream.write(part), stream.write(part));
    };
    const response = call(session);
    await until("drained", async () => engine.exchanges[0]?.drained === 1);
    expect(results).to.deep.equal([true, false]);
    engine.last.stream.end(trailers);
    expect((await response).body.length).to.equal(120_000);
  });

  it("passes the request's trailers on", async () => {
    await call(session, Buffer.from("a"), {}, { "x-checksum": "1" });
    expect(engine.last.stream.trailers?.get("x-checksum")).to.equal("1");
    expect(engine.last.body.toString()).to.equal("a");
  });

  it("sends interim responses before the response", async () => {
    const interim = encodeHeaders([":status", "103", "link", "</a>"]);
    engine.answer = ({ stream }) => {
      stream.sendInterim(interim);
      stream.respond(ok, Buffer.from("a"));
    };
    const response = await call(session);
    expect(response.informational[0]).to.include({ ":status": 103 });
    expect(response.headers[":status"]).to.equal(200);
    expect(response.body.toString()).to.equal("a");
  });

  it("sends headers that need CONTINUATION frames", async () => {
    const long = "x".repeat(20_000);
    engine.answer = ({ stream }) => {
      stream.respond(
        encodeHeaders([":status", "200", "a", long, "b", long]),
        Buffer.from("a"),
        trailers,
      );
    };
    const large = http2.connect(engine.url, { settings: { maxHeaderListSize: 100_000 } });
    const response = await call(large);
    large.destroy();
    expect(response.headers).to.include({ a: long, b: long });
    expect(response.trailers).to.include({ "grpc-status": "0" });
  });

  it("answers before the request has ended, and resets its rest", async () => {
    const stream = session.request({ ":method": "POST" }, { endStream: false });
    await until("the request", async () => engine.exchanges.length === 1);
    const answered = buffer(stream);
    engine.last.stream.respond(ok, Buffer.from("enough"), trailers);
    expect((await answered).toString()).to.equal("enough");
    await until("closed", async () => stream.closed);
    expect(stream.rstCode).to.equal(ErrorCode.NO_ERROR);
    expect(engine.last.stream.complete).to.equal(true);
    expect(engine.resets).to.deep.equal([]);
  });

  it("tells that the client has reset a stream", async () => {
    engine.answer = () => {};
    const stream = session.request({ ":method": "POST" }, { endStream: true });
    stream.on("error", () => {});
    await until("the request", async () => engine.exchanges[0]?.ended);
    stream.close(ErrorCode.CANCEL);
    await until("the reset", async () => engine.last.closed === 1);
    const { resetCode, complete, closed } = engine.last.stream;
    expect({ resetCode, complete, closed }).to.deep.equal({
      resetCode: ErrorCode.CANCEL,
      complete: false,
      closed: true,
    });
    expect(engine.resets).to.deep.equal([engine.last.stream]);
    // An answer that comes too late is ignored.
    engine.last.stream.respond(ok);
    engine.answer = ({ stream }) => stream.respond(ok);
    expect((await call(session)).headers[":status"]).to.equal(200);
  });

  it("resets a stream by its own will", async () => {
    engine.answer = ({ stream }) => stream.reset(ErrorCode.REFUSED_STREAM);
    expect((await call(session)).rstCode).to.equal(ErrorCode.REFUSED_STREAM);
    expect(engine.last.closed).to.equal(1);
    expect(engine.resets).to.deep.equal([]);
  });

  it("closes the streams of a lost connection", async () => {
    engine.answer = () => {};
    session.request({ ":method": "POST" }).on("error", () => {});
    await until("the request", async () => engine.exchanges.length === 1);
    session.destroy();
    await until("closed", async () => engine.closed === 1);
    expect(engine.last.closed).to.equal(1);
    expect(engine.last.stream.complete).to.equal(false);
  });

  it("refuses a second response, and parts at the wrong time", async () => {
    engine.answer = () => {};
    const response = call(session);
    await until("the request", async () => engine.exchanges.length === 1);
    const { stream } = engine.last;
    expect(() => stream.write(Buffer.from("a"))).to.throw("no headers yet");
    expect(() => stream.end()).to.throw("no headers yet");
    stream.respond(ok);
    expect(() => stream.respond(ok)).to.throw("has a response already");
    expect(() => stream.sendHeaders(ok)).to.throw("has a response already");
    expect(() => stream.write(Buffer.from("a"))).to.throw("has ended already");
    expect((await response).headers[":status"]).to.equal(200);
  });

  it("works over TLS and any other duplex stream", async () => {
    engine.answer = ({ stream, body }) => stream.respond(ok, body, trailers);
    const body = randomBytes(200_000);

    const server = createTlsServer({ cert: testCertificate, key: testKey, ALPNProtocols: ["h2"] });
    server.on("secureConnection", (socket: TLSSocket) => engine.serve(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket = connectTls({
      port,
      ca: testCertificate,
      ALPNProtocols: ["h2"],
      servername: "localhost",
    });
    const overTls = http2.connect("https://localhost", { createConnection: () => socket });
    expect((await call(overTls, body)).body.equals(body)).to.equal(true);
    overTls.destroy();
    server.close();

    const [near, far] = duplexPair();
    engine.serve(near);
    const overPair = http2.connect("http://localhost", { createConnection: () => far });
    expect((await call(overPair, body)).body.equals(body)).to.equal(true);
    overPair.destroy();
    near.destroy();
  });
});
