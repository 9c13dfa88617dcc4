import { once } from "node:events";
import http2, { type OutgoingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { invalidArgument } from "../../src/server/decode-failures.ts";
import { createInFlightCalls } from "../../src/server/in-flight-calls.ts";
import { createRouting } from "../../src/server/routing.ts";
import { createUnaryFastPath } from "../../src/server/unary-fast-path.ts";
import { echo, frame, rawCall, validateBytes, validatePath } from "../support/transport.ts";

const maxMessageBytes = 100;
const good = frame(validateBytes("a"));

/** A fast path alone on an HTTP/2 server, with the streams that it leaves to others. */
function useFastPath() {
  const left: { headers: OutgoingHttpHeaders; body: Promise<Buffer> }[] = [];
  const calls = createInFlightCalls();
  const server = http2.createServer();
  let session: http2.ClientHttp2Session;

  before(async () => {
    const health = createHealth([]);
    const routing = createRouting({
      routes(router: ConnectRouter) {
        router.service(SessionService, echo);
        health.routes(router);
        router.rpc(SessionService.method.get, () => ({}), { jsonOptions: {} });
      },
      interceptors: [],
      maxMessageBytes,
    });
    const fastPath = createUnaryFastPath({
      routing,
      calls,
      maxMessageBytes,
      maxDeadlineMs: 10_000,
      fallback(stream, headers) {
        left.push({ headers, body: stream.toArray().then((chunks) => Buffer.concat(chunks)) });
        stream.respond({ ":status": 299 }, { endStream: true });
      },
      decodeError: invalidArgument,
      onError: () => {},
    });
    server.on("stream", fastPath);
    await once(server.listen(0, "127.0.0.1"), "listening");
    session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await once(session, "connect");
  });
  beforeEach(() => left.splice(0));
  after(() => {
    session.destroy();
    server.close();
  });

  return {
    left,
    calls,
    async send(headers: OutgoingHttpHeaders, body: Buffer) {
      const { stream, response } = rawCall(session, headers);
      stream.end(body);
      return response;
    },
  };
}

describe("what the fast path serves", () => {
  const fastPath = useFastPath();

  const served: [string, OutgoingHttpHeaders, Buffer][] = [
    ["gRPC", {}, good],
    ["gRPC with its codec", { "content-type": "application/grpc+proto" }, good],
    ["a deadline", { "grpc-timeout": "5S" }, good],
    ["identity", { "grpc-encoding": "identity" }, good],
    ["what accepts gzip", { "grpc-accept-encoding": "identity,deflate,gzip" }, good],
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
      expect(fastPath.left).to.deep.equal([]);
      expect(fastPath.calls.size).to.equal(0);
    });
  }

  const leftAlone: [string, OutgoingHttpHeaders, Buffer][] = [
    ["Watch of health", { ":path": "/grpc.health.v1.Health/Watch" }, good],
    ["a method with options of its own", { ":path": "/sessiond.v1.SessionService/Get" }, good],
    ["an unknown method", { ":path": "/sessiond.v1.SessionService/No" }, good],
    ["a query", { ":path": `${validatePath}?a=b` }, good],
    ["Connect", { "content-type": "application/proto" }, good],
    ["gRPC-Web", { "content-type": "application/grpc-web" }, good],
    ["JSON", { "content-type": "application/grpc+json" }, good],
    ["another verb", { ":method": "PUT" }, good],
    ["gzip", { "grpc-encoding": "gzip" }, good],
    ["a malformed deadline", { "grpc-timeout": "soon" }, good],
    ["an expectation", { expect: "100-continue" }, good],
    ["an unusable authority", { ":authority": "[" }, good],
    ["a compressed message", {}, frame(validateBytes("a"), 1)],
    ["two messages", {}, Buffer.concat([good, good])],
    ["a message that is too long", {}, frame(Buffer.alloc(maxMessageBytes + 1))],
  ];
  for (const [name, headers, body] of leftAlone) {
    it(`leaves ${name} to others, with the whole body`, async () => {
      expect((await fastPath.send(headers, body)).status).to.equal(299);

      const [only, ...more] = fastPath.left;
      expect(more).to.deep.equal([]);
      expect(only?.headers).to.include(headers);
      expect((await only?.body)?.equals(body)).to.equal(true);
      expect(fastPath.calls.size).to.equal(0);
    });
  }
});
