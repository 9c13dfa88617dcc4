import { once } from "node:events";
import http2 from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { createProtocolDetector } from "../../src/server/protocol-detection.ts";
import type { Server } from "../../src/server/server.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import {
  encodeFrame,
  flag,
  frameType,
  grpcHeaders,
  hpackLiterals,
  hpackReference,
  RawHttp2,
  uint32,
} from "../support/raw-http2.ts";
import {
  failureOf,
  frame,
  postJson,
  rawCall,
  sendCall,
  testLimits,
  testTls,
  useTransport,
  validateBytes,
  validateOverGrpc,
  validatePath,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

const { maxMessageBytes } = testLimits;

describe("limits", () => {
  const transport = useTransport();

  // The comparison of the fast path with Connect has the other cases over HTTP/2.
  describe("of messages", () => {
    it("accepts the longest message", async () => {
      const client = transport.grpcClient(await transport.start());
      const overhead = validateBytes("a".repeat(maxMessageBytes)).length - maxMessageBytes;
      const cookie = "a".repeat(maxMessageBytes - overhead);
      expect((await validateOverGrpc(client, cookie)).session?.id).to.equal(cookie);
    });

    it("refuses a longer one over HTTP/1.1, and serves the next on its connection", async () => {
      const socket = transport.connect(await transport.start());
      const post = (cookie: string) => {
        const body = JSON.stringify({ cookie });
        // Chunked, so that the length is not known beforehand.
        const headers = "Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
        const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
        return `POST ${validatePath} HTTP/1.1\r\n${headers}\r\n\r\n${chunks}`;
      };

      // A response may come in several pieces.
      let received = "";
      socket.on("data", (chunk: Buffer) => {
        received += chunk;
      });

      socket.write(post("a".repeat(100 * maxMessageBytes)));
      await until("it is refused", async () => received.includes("resource_exhausted"));
      const first = received;
      socket.write(post("b"));
      await until("the next one has a response", async () =>
        /HTTP\/1\.1 .*HTTP\/1\.1 /s.test(received),
      );

      expect(first).to.match(/^HTTP\/1\.1 429 /);
      expect(received.slice(received.lastIndexOf("HTTP/1.1"))).to.match(/^HTTP\/1\.1 200 /);
    });

    it("refuses a longer one from fetch", async () => {
      const body = JSON.stringify({ cookie: "a".repeat(10 * maxMessageBytes) });
      const response = await postJson(await transport.start(), body);
      expect(response.status).to.equal(429);
      expect(await response.json()).to.include({ code: "resource_exhausted" });
    });

    it("lets a response be longer than a request, up to 4 MiB", async () => {
      let length = 3 * 1024 * 1024;
      const server = await transport.start({
        service: { validate: () => ({ session: { id: "a".repeat(length) } }) },
      });
      const client = transport.grpcClient(server);

      expect((await validateOverGrpc(client)).session?.id).to.have.length(length);
      length = 5 * 1024 * 1024;
      const failure = await failureOf<grpc.ServiceError>(validateOverGrpc(client));
      expect(failure.code).to.equal(grpc.status.RESOURCE_EXHAUSTED);
    });
  });

  describe("of headers", () => {
    const long = "a".repeat(testLimits.maxHeaderBytes);

    it("resets a request with more than twice as many over HTTP/2, and serves the next", async () => {
      const session = await transport.http2(await transport.start());
      // Node enforces it once the client has acknowledged the server's settings.
      await once(session, "remoteSettings");

      const tooLong = await sendCall(session, { long: long + long }).response;
      const next = await sendCall(session).response;

      expect(tooLong).to.include({
        status: undefined,
        rstCode: http2.constants.NGHTTP2_ENHANCE_YOUR_CALM,
      });
      expect(next.grpcStatus).to.equal(grpc.status.OK);
    });

    it("resets such a request before the client has acknowledged the settings", async () => {
      let served = 0;
      const validate = () => {
        served += 1;
        return {};
      };
      const server = await transport.start({ service: { validate } });
      // The request is sent with the connection's first bytes.
      const session = http2.connect(server.url);
      session.on("error", () => {});
      transport.cleanups.push(() => session.destroy());

      const { rstCode } = await sendCall(session, { long: long + long }).response;

      expect(rstCode).to.equal(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
      expect(served).to.equal(0);
    });

    it("closes a connection with many such requests before it has acknowledged them", async () => {
      let served = 0;
      const validate = () => {
        served += 1;
        return {};
      };
      const server = await transport.start({ service: { validate } });
      const client = await RawHttp2.open({ port: server.port, acknowledge: false });
      transport.cleanups.push(() => client.socket.destroy());
      const headers = hpackLiterals(grpcHeaders(validatePath));
      const entry = hpackLiterals([["x-large", "a".repeat(3900)]], { index: true });
      client.write(
        encodeFrame(
          frameType.headers,
          flag.endHeaders,
          client.streamId(),
          Buffer.concat([headers, entry]),
        ),
      );
      const references = Buffer.concat(Array<Buffer>(118).fill(hpackReference(62)));
      for (let i = 0; i < 20; i += 1) {
        const block = Buffer.concat([headers, references]);
        client.write(encodeFrame(frameType.headers, flag.endHeaders, client.streamId(), block));
      }

      await client.closed;
      const [goaway] = client.framesOf(frameType.goaway);
      expect(goaway?.payload.readUInt32BE(4)).to.equal(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
      expect(served).to.equal(0);
    });
  });

  describe("of connections", () => {
    it("closes one too many, and accepts again when another has closed", async () => {
      const refusals: number[] = [];
      const server = await transport.start({
        limits: { maxConnections: 1 },
        onConnectionRefused: ({ open }) => refusals.push(open),
      });
      const first = await transport.http2(server);

      const second = transport.connect(server);
      second.on("error", () => {});
      await once(second, "close");
      first.close();
      await once(first, "close");

      const third = await sendCall(await transport.http2(server)).response;
      expect(third.grpcStatus).to.equal(grpc.status.OK);
      expect(refusals).to.deep.equal([1]);
    });

    it("closes one too many of a peer, and none of another", async () => {
      const refusals: unknown[] = [];
      for (const tls of [undefined, testTls]) {
        const server = await transport.start({
          tls,
          limits: { maxConnectionsPerPeer: 2 },
          onConnectionRefused: (refusal) => refusals.push(refusal),
        });
        await Promise.all([transport.http2(server), transport.http2(server)]);

        const third = transport.connect(server);
        third.on("error", () => {});
        await once(third, "close");

        const other = transport.connect(server, { localAddress: "127.0.0.2" });
        if (tls === undefined) {
          other.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
          expect(String((await once(other, "data"))[0])).to.match(/^HTTP\/1\.1 404 /);
        } else {
          await once(other, "connect");
        }
      }
      const refusal = { limit: "maxConnectionsPerPeer", open: 2, peer: "127.0.0.1" };
      expect(refusals).to.deep.equal([refusal, refusal]);
    });

    for (const tls of [undefined, testTls]) {
      const secure = tls === undefined ? "without TLS" : "with TLS";
      it(`closes the oldest idle one of the peer with the most, if all are taken, ${secure}`, async () => {
        const { service, started, release } = pendingHandler();
        const server = await transport.start({ tls, limits: { maxConnections: 3 }, service });
        const busy = await transport.http2(server);
        const { response } = sendCall(busy);
        await started;
        const [oldest, newest] = [await transport.http2(server), await transport.http2(server)];

        const evicted = once(oldest, "close");
        await once(transport.connect(server, { localAddress: "127.0.0.2" }), "connect");
        await evicted;

        // The peer that has the most gets none of the others.
        const refused = transport.connect(server);
        refused.on("error", () => {});
        await once(refused, "close");
        expect(newest.closed).to.equal(false);
        release();
        expect((await response).grpcStatus).to.equal(grpc.status.OK);
      });
    }

    it("closes an idle HTTP/2 connection gracefully, but not one with a call", async () => {
      const { service, started, release } = pendingHandler();
      const server = await transport.start({ limits: { idleConnectionTimeoutMs: 50 }, service });
      // The call is sent with the connection's first bytes, so that it is never idle before.
      const busy = http2.connect(server.url);
      busy.on("error", () => {});
      transport.cleanups.push(() => busy.destroy());
      const { response } = sendCall(busy);
      await started;
      const idle = await transport.http2(server);

      const [code] = await once(idle, "goaway");
      await once(idle, "close");

      expect(code).to.equal(http2.constants.NGHTTP2_NO_ERROR);
      expect(busy.closed).to.equal(false);
      const goaway = once(busy, "goaway");
      release();
      expect((await response).grpcStatus).to.equal(grpc.status.OK);
      await goaway;
    });

    it("closes an idle HTTP/1.1 connection", async () => {
      const server = await transport.start({ limits: { idleConnectionTimeoutMs: 50 } });
      const socket = transport.connect(server);
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.resume();
      await once(socket, "end");
    });

    it("closes a connection that does not show its protocol in time", async () => {
      const accepted: Socket[] = [];
      const detector = createProtocolDetector({
        timeoutMs: 50,
        http1: (socket) => accepted.push(socket),
        http2: (socket) => accepted.push(socket),
      });
      const listener = createServer((socket) => detector.detect(socket)).listen(0, "127.0.0.1");
      await once(listener, "listening");
      transport.cleanups.push(() => listener.close());

      const socket = connect((listener.address() as AddressInfo).port, "127.0.0.1");
      socket.write("PRI * HT");
      socket.resume();

      await once(socket, "end");
      expect(accepted).to.deep.equal([]);
      socket.destroy();
    });
  });

  describe("of streams", () => {
    it("refuses a stream above the limit with REFUSED_STREAM, which clients retry", async () => {
      const { service, release } = pendingHandler();
      const server = await transport.start({ limits: { maxConcurrentStreams: 1 }, service });
      // Before the server's settings have arrived, so that the client does not queue the second.
      const session = http2.connect(server.url);
      session.on("error", () => {});
      transport.cleanups.push(() => session.destroy());
      const [first, second] = [sendCall(session), sendCall(session)];

      expect((await second.response).rstCode).to.equal(http2.constants.NGHTTP2_REFUSED_STREAM);
      release();
      expect((await first.response).grpcStatus).to.equal(grpc.status.OK);
    });

    const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = http2.constants;

    /** Opens a stream and resets it, all in one packet. */
    function reset(
      flood: RawHttp2,
      extra: readonly (readonly [string, string])[] = [],
      code: number = NGHTTP2_CANCEL,
    ): Buffer {
      const id = flood.streamId();
      const headers = hpackLiterals([...grpcHeaders(validatePath), ...extra]);
      return Buffer.concat([
        encodeFrame(frameType.headers, flag.endHeaders, id, headers),
        encodeFrame(frameType.rstStream, 0, id, uint32(code)),
      ]);
    }

    async function rawClient(server: Server, options: object = {}): Promise<RawHttp2> {
      const client = await RawHttp2.open({ port: server.port, ...options });
      transport.cleanups.push(() => client.socket.destroy());
      return client;
    }

    for (const expectation of ["100-continue", "anything else"]) {
      it(`serves others after streams that expect ${expectation} and are reset with NO_ERROR`, async () => {
        const server = await transport.start();
        const client = await rawClient(server);
        // More than begin in one turn of the event loop.
        const resets = Array.from({ length: 60 }, () =>
          reset(client, [["expect", expectation]], NGHTTP2_NO_ERROR),
        );
        client.write(...resets);
        const next = client.call(validatePath, frame(validateBytes("a")));
        await until("the next call is answered", async () =>
          client.framesOf(frameType.headers).some(({ streamId }) => streamId === next),
        );
        const other = transport.grpcClient(server);
        expect((await validateOverGrpc(other, "b")).session?.id).to.equal("b");
      });
    }

    const floods: Record<string, [headers: [string, string][], code: number]> = {
      "rapid resets": [[], NGHTTP2_CANCEL],
      "rapid resets with NO_ERROR": [[], NGHTTP2_NO_ERROR],
      "rapid resets after a deadline that no client has": [
        [["grpc-timeout", "1n"]],
        NGHTTP2_CANCEL,
      ],
    };
    for (const [what, [headers, code]] of Object.entries(floods)) {
      it(`closes connections with ${what}, and those that take their place`, async () => {
        const server = await transport.start({ limits: { maxConcurrentStreams: 10 } });
        const client = transport.grpcClient(server);
        let closed = 0;
        // Four connections have as many as a peer may have. The others have no more each than a
        // connection may have.
        for (let i = 0; i < 8; i += 1) {
          const flood = await rawClient(server);
          const resets = Array.from({ length: i < 4 ? 15 : 10 }, () => reset(flood, headers, code));
          flood.write(...resets);
          await flood.closed;
          closed += 1;
        }
        expect(closed).to.equal(8);
        // What resets nothing is not affected.
        expect((await validateOverGrpc(client, "b")).session?.id).to.equal("b");
      });
    }

    it("does not close the connection of a client whose deadlines pass", async () => {
      const { service, started, release } = pendingHandler();
      const server = await transport.start({ limits: { maxConcurrentStreams: 100 }, service });
      const client = transport.grpcClient(server);
      const session = await transport.http2(server);
      const goaways: unknown[] = [];
      session.on("goaway", (code) => goaways.push(code));
      for (let round = 0; round < 2; round += 1) {
        const calls = Array.from({ length: 90 }, () =>
          sendCall(session, { "grpc-timeout": "10S" }),
        );
        await started;
        const sentAt = performance.now();
        // Late enough not to be early, and for Node, which counts in seconds, to allow as many again.
        await until("they are old", async () => performance.now() - sentAt > 1100);
        for (const { stream } of calls) stream.close(NGHTTP2_CANCEL);
        await Promise.all(calls.map(({ response }) => response));
      }
      release();
      expect((await sendCall(session).response).grpcStatus).to.equal(grpc.status.OK);
      expect(goaways).to.deep.equal([]);
      expect((await validateOverGrpc(client, "b")).session?.id).to.equal("b");
    });

    it("closes the connection of a rapid-reset flood and serves others (CVE-2023-44487)", async () => {
      const server = await transport.start();
      const client = transport.grpcClient(server);
      const flood = await transport.http2(server);
      const ended = new Promise((resolve) => flood.once("close", resolve));

      let sent = 0;
      let served = 0;
      while (!flood.destroyed && !flood.closed && sent < 100_000) {
        for (let i = 0; i < 100 && !flood.destroyed && !flood.closed; i += 1) {
          rawCall(flood).stream.close(NGHTTP2_CANCEL);
          sent += 1;
        }
        await validateOverGrpc(client);
        served += 1;
        await nextTurn();
      }
      await ended;

      expect(sent).to.be.lessThan(100_000);
      expect(served).to.be.greaterThan(0);
      expect((await validateOverGrpc(client, "b")).session?.id).to.equal("b");
    });
  });
});
