import { once } from "node:events";
import type http2 from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import {
  callGrpc,
  failureOf,
  frame,
  rawCall,
  testLimits,
  useTransport,
  validateBytes,
  validatePath,
  validateRequest,
} from "../support/transport.ts";

const compressed = 1;
const { maxMessageBytes } = testLimits;

describe("messages", () => {
  const transport = useTransport();

  const cases: [string, Buffer, http2.OutgoingHttpHeaders, grpc.status][] = [
    [
      "one that is too long",
      frame(validateBytes("a".repeat(maxMessageBytes))),
      {},
      grpc.status.RESOURCE_EXHAUSTED,
    ],
    [
      "one that says it is 4 GiB long",
      frame(validateBytes("a"), 0, 0xffffffff),
      {},
      grpc.status.RESOURCE_EXHAUSTED,
    ],
    [
      "a gzip bomb",
      frame(gzipSync(Buffer.alloc(16 * 1024 * 1024)), compressed),
      { "grpc-encoding": "gzip" },
      grpc.status.RESOURCE_EXHAUSTED,
    ],
    [
      "broken gzip",
      frame(Buffer.from("not gzip"), compressed),
      { "grpc-encoding": "gzip" },
      grpc.status.INVALID_ARGUMENT,
    ],
    [
      "an unknown compression",
      frame(validateBytes("a"), compressed),
      { "grpc-encoding": "zip" },
      grpc.status.UNIMPLEMENTED,
    ],
    [
      "one cut off in its length",
      frame(validateBytes("a")).subarray(0, 3),
      {},
      grpc.status.INVALID_ARGUMENT,
    ],
    [
      "one cut off in its content",
      frame(validateBytes("abcdef")).subarray(0, 8),
      {},
      grpc.status.INVALID_ARGUMENT,
    ],
    [
      "one that is not protobuf",
      frame(Buffer.from([0xff, 0xff])),
      {},
      grpc.status.INVALID_ARGUMENT,
    ],
    ["none", Buffer.alloc(0), {}, grpc.status.UNIMPLEMENTED],
    [
      "two",
      Buffer.concat([frame(validateBytes("a")), frame(validateBytes("b"))]),
      {},
      grpc.status.UNIMPLEMENTED,
    ],
  ];
  for (const [what, body, headers, status] of cases) {
    it(`answers ${what} with ${grpc.status[status]}, and serves on`, async () => {
      const server = await transport.start();
      const session = await transport.http2(server);

      const bad = rawCall(session, headers);
      bad.stream.end(body);
      const answer = await bad.response;
      const good = rawCall(session);
      good.stream.end(frame(validateBytes("a")));

      expect(answer).to.include({ status: 200, grpcStatus: status });
      expect((await good.response).grpcStatus).to.equal(grpc.status.OK);
    });
  }

  it("accepts the longest message", async () => {
    const server = await transport.start();
    const client = transport.grpcClient(server);
    const overhead = validateBytes("a".repeat(maxMessageBytes)).length - maxMessageBytes;
    const cookie = "a".repeat(maxMessageBytes - overhead);

    const answer = await callGrpc(client, SessionService.method.validate, validateRequest(cookie));

    expect(answer.session?.id).to.equal(cookie);
  });

  it("answers one that is too long over HTTP/1.1, and the next on the same connection", async () => {
    const server = await transport.start();
    const socket = connect(server.port, "127.0.0.1");
    transport.cleanups.push(() => socket.destroy());
    const post = (body: string) =>
      `POST ${validatePath} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
      // In chunks, so that its length is not known beforehand.
      `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

    socket.write(post(JSON.stringify({ cookie: "a".repeat(100 * maxMessageBytes) })));
    const [first] = await once(socket, "data");
    socket.write(post(JSON.stringify({ cookie: "b" })));
    const [second] = await once(socket, "data");

    expect(String(first))
      .to.match(/^HTTP\/1\.1 429 /)
      .and.to.contain("resource_exhausted");
    expect(String(second)).to.match(/^HTTP\/1\.1 200 /);
  });

  it("answers one that is too long to fetch", async () => {
    const server = await transport.start();

    const response = await fetch(server.url + validatePath, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ cookie: "a".repeat(10 * maxMessageBytes) }),
    });

    expect(response.status).to.equal(429);
    expect(await response.json()).to.include({ code: "resource_exhausted" });
  });

  it("lets a response be longer than a request, up to 4 MiB", async () => {
    const length = { value: 3 * 1024 * 1024 };
    const server = await transport.start({
      service: { validate: () => ({ session: { id: "a".repeat(length.value) } }) },
    });
    const client = transport.grpcClient(server);
    const call = () => callGrpc(client, SessionService.method.validate, validateRequest("a"));

    expect((await call()).session?.id).to.have.length(length.value);
    length.value = 5 * 1024 * 1024;
    const failure = await failureOf<grpc.ServiceError>(call());
    expect(failure.code).to.equal(grpc.status.RESOURCE_EXHAUSTED);
  });
});
