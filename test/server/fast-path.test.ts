import { once } from "node:events";
import http2, { type OutgoingHttpHeaders } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { FairTurns } from "../../src/server/fair-turns.ts";
import { createHttp2Connections } from "../../src/server/http2-connections.ts";
import { Http2Exchange } from "../../src/server/http2-exchange.ts";
import { createInFlightCalls } from "../../src/server/in-flight-calls.ts";
import { defaultRequestErrors } from "../../src/server/request-errors.ts";
import { createRouting } from "../../src/server/routing.ts";
import { createUnaryFastPath } from "../../src/server/unary-fast-path.ts";
import { frameType, RawHttp2 } from "../support/raw-http2.ts";
import {
  echo,
  frame,
  type StartOptions,
  sendCall,
  testLimits,
  useTransport,
  validateBytes,
  validatePath,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

const maxMessageBytes = 100;
const good = frame(validateBytes("a"));

/** An HTTP/2 server with only the fast path. It records the streams that fall back. */
function useFastPathOnly() {
  const fallbacks: { headers: Record<string, unknown>; body: Promise<Buffer> }[] = [];
  const turns = new FairTurns();
  const calls = createInFlightCalls(turns);
  const server = createServer();
  let session: http2.ClientHttp2Session;

  before(async () => {
    const health = createHealth([]);
    const routing = createRouting({
      routes(router) {
        router.service(SessionService, echo);
        health.routes(router);
        router.rpc(SessionService.method.get, () => ({}), { jsonOptions: {} });
      },
      interceptors: [],
      maxMessageBytes,
    });
    const handle = createUnaryFastPath({
      routing,
      calls,
      turns,
      maxMessageBytes,
      maxDeadlineMs: 10_000,
      fallback(stream, arrivedAt, received) {
        const exchange = new Http2Exchange(stream, arrivedAt, turns);
        exchange.begin(received);
        const { headers, method, url } = exchange;
        fallbacks.push({
          headers: { ...headers, ":method": method, ":path": url },
          body: Array.fromAsync(exchange.readBody()).then((chunks) => {
            exchange.respond({ status: 299, headers: {}, body: new Uint8Array() });
            return Buffer.concat(chunks);
          }),
        });
      },
      decodeError: defaultRequestErrors.decodeError,
      onError: () => {},
    });
    const connections = createHttp2Connections({
      ...testLimits,
      turns,
      countRequests: () => {},
      handle,
      onError: () => {},
      onAbuse: () => {},
    });
    server.on("connection", connections.serve);
    await once(server.listen(0, "127.0.0.1"), "listening");
    session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await once(session, "connect");
  });
  beforeEach(() => fallbacks.splice(0));
  after(() => {
    session.destroy();
    server.close();
  });

  return {
    fallbacks,
    calls,
    send: (headers: OutgoingHttpHeaders, body: Buffer) => sendCall(session, headers, body).response,
  };
}

describe("fast path: selection", () => {
  const fastPath = useFastPathOnly();

  const served: [string, OutgoingHttpHeaders, Buffer][] = [
    ["gRPC", {}, good],
    ["gRPC with its codec", { "content-type": "application/grpc+proto" }, good],
    ["a deadline", { "grpc-timeout": "5S" }, good],
    ["identity", { "grpc-encoding": "identity" }, good],
    ["a client that accepts gzip", { "grpc-accept-encoding": "identity,deflate,gzip" }, good],
    ["Check of health", { ":path": "/grpc.health.v1.Health/Check" }, frame(Buffer.alloc(0))],
    ["no message", {}, Buffer.alloc(0)],
    ["half a message", {}, good.subarray(0, 6)],
    ["what is not protobuf", {}, frame(Buffer.of(0xff))],
  ];
  for (const [name, headers, body] of served) {
    it(`serves ${name}`, async () => {
      const { status, grpcStatus } = await fastPath.send(headers, body);

      expect(status).to.equal(200);
      expect(grpcStatus).to.be.a("number");
      expect(fastPath.fallbacks).to.deep.equal([]);
      expect(fastPath.calls.size).to.equal(0);
    });
  }

  const notServed: [string, OutgoingHttpHeaders, Buffer][] = [
    ["Watch of health", { ":path": "/grpc.health.v1.Health/Watch" }, good],
    ["a method with its own options", { ":path": "/sessiond.v1.SessionService/Get" }, good],
    ["an unknown method", { ":path": "/sessiond.v1.SessionService/No" }, good],
    ["a query", { ":path": `${validatePath}?a=b` }, good],
    ["Connect", { "content-type": "application/proto" }, good],
    ["gRPC-Web", { "content-type": "application/grpc-web" }, good],
    ["JSON", { "content-type": "application/grpc+json" }, good],
    ["another verb", { ":method": "PUT" }, good],
    ["gzip", { "grpc-encoding": "gzip" }, good],
    ["a malformed deadline", { "grpc-timeout": "soon" }, good],
    ["an expectation", { expect: "100-continue" }, good],
    ["a compressed message", {}, frame(validateBytes("a"), 1)],
    ["two messages", {}, Buffer.concat([good, good])],
    ["a message that is too long", {}, frame(Buffer.alloc(maxMessageBytes + 1))],
  ];
  for (const [name, headers, body] of notServed) {
    it(`passes ${name} to the fallback, with the whole body`, async () => {
      expect((await fastPath.send(headers, body)).status).to.equal(299);

      const [fallback, ...others] = fastPath.fallbacks;
      expect(others).to.deep.equal([]);
      expect(fallback?.headers).to.include(headers);
      expect((await fallback?.body)?.equals(body)).to.equal(true);
      expect(fastPath.calls.size).to.equal(0);
    });
  }
});

const frameTypes = { HEADERS: 1, RST_STREAM: 3, SETTINGS: 4 };
const END_HEADERS = 4;

function http2Frame(type: keyof typeof frameTypes, flags: number, stream: number, payload: Buffer) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = frameTypes[type];
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK literals that are not added to its table. */
function headerBlock(headers: Record<string, string>): Buffer {
  const text = (value: string) => [Buffer.of(value.length), Buffer.from(value)];
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [
      Buffer.of(0),
      ...text(name),
      ...text(value),
    ]),
  );
}

describe("fast path: resets and dates", () => {
  const transport = useTransport();

  for (const [name, code] of Object.entries({
    NO_ERROR: http2.constants.NGHTTP2_NO_ERROR,
    PROTOCOL_ERROR: http2.constants.NGHTTP2_PROTOCOL_ERROR,
    INTERNAL_ERROR: http2.constants.NGHTTP2_INTERNAL_ERROR,
    CANCEL: http2.constants.NGHTTP2_CANCEL,
    "an unknown code": 0xffff,
  })) {
    it(`survives calls that are reset with ${name} in the packet of their headers`, async () => {
      const server = await transport.start();
      const block = headerBlock({
        ":method": "POST",
        ":scheme": "http",
        ":path": validatePath,
        ":authority": "sessiond",
        "content-type": "application/grpc",
        te: "trailers",
      });
      const reset = Buffer.alloc(4);
      reset.writeUInt32BE(code);
      const calls = [1, 3, 5].flatMap((stream) => [
        http2Frame("HEADERS", END_HEADERS, stream, block),
        http2Frame("RST_STREAM", 0, stream, reset),
      ]);
      const socket = transport.connect(server);
      socket.on("error", () => {});
      await once(socket, "connect");
      const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      const settings = http2Frame("SETTINGS", 0, 0, Buffer.alloc(0));
      socket.write(Buffer.concat([preface, settings, ...calls]));
      await once(socket, "data");

      const { response } = sendCall(await transport.http2(server));
      expect((await response).grpcStatus).to.equal(0);
    });
  }

  it("gives the window of the connection back while calls wait for their response", async () => {
    const released = Promise.withResolvers<void>();
    let begun = 0;
    const service: StartOptions["service"] = {
      validate: async () => {
        begun += 1;
        await released.promise;
        return {};
      },
    };
    const { port } = await transport.start({ service });
    const client = await RawHttp2.open({ port });
    transport.cleanups.push(() => client.socket.destroy());
    const message = frame(validateBytes("a".repeat(16_000)));
    for (const calls of [60, 100]) {
      // All of them are more than the connection's window of 1 MiB.
      for (let sent = begun; sent < calls; sent += 1) client.call(validatePath, message);
      await until(`${calls} have begun`, async () => begun === calls || client.socket.closed);
    }
    expect(begun).to.equal(100);
    released.resolve();
    await until("all are answered", async () => client.framesOf(frameType.data).length === 100);
  });

  it("sends the current date with each response", async () => {
    const session = await transport.http2(await transport.start());
    const dateOfResponse = async () => {
      const [headers] = await once(sendCall(session).stream, "response");
      return (headers as http2.IncomingHttpHeaders).date;
    };
    const first = await dateOfResponse();
    expect(first).to.be.a("string");
    await until("a response has a later date", async () => (await dateOfResponse()) !== first);
  });
});
