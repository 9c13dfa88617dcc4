import { once } from "node:events";
import http2 from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createProtocolDetector } from "../../src/server/protocol-detection.ts";
import {
  callGrpc,
  frame,
  rawCall,
  testLimits,
  useTransport,
  validateBytes,
  validatePath,
  validateRequest,
} from "../support/transport.ts";

describe("limits", () => {
  const transport = useTransport();

  describe("of headers", () => {
    const long = "a".repeat(testLimits.maxHeaderBytes);

    it("refuses them over HTTP/1.1", async () => {
      const server = await transport.start();

      const response = await fetch(server.url + validatePath, { headers: { long } });

      expect(response.status).to.equal(431);
      await response.arrayBuffer();
    });

    it("refuses them over HTTP/2, and serves on", async () => {
      const server = await transport.start();
      const session = await transport.http2(server);
      // What the server limits binds a client once it has acknowledged it.
      await once(session, "remoteSettings");

      const bad = rawCall(session, { long });
      bad.stream.end();
      const answer = await bad.response;
      const good = rawCall(session);
      good.stream.end(frame(validateBytes("a")));

      expect(answer).to.include({
        status: undefined,
        rstCode: http2.constants.NGHTTP2_ENHANCE_YOUR_CALM,
      });
      expect((await good.response).grpcStatus).to.equal(grpc.status.OK);
    });
  });

  describe("of connections", () => {
    it("closes the one that is too many, and accepts again when one has gone", async () => {
      const errors: unknown[] = [];
      const server = await transport.start({
        limits: { maxConnections: 1 },
        onError: (error) => errors.push(error),
      });
      const first = await transport.http2(server);

      const second = connect(server.port, "127.0.0.1");
      second.on("error", () => {});
      await once(second, "close");
      first.close();
      await once(first, "close");

      const third = rawCall(await transport.http2(server));
      third.stream.end(frame(validateBytes("a")));
      expect((await third.response).grpcStatus).to.equal(grpc.status.OK);
      expect(errors.map(String)).to.include("Error: refusing connections: 1 are open");
    });

    it("closes an idle HTTP/2 connection gracefully, but not one with a call", async () => {
      const release = Promise.withResolvers<void>();
      const server = await transport.start({
        limits: { idleConnectionTimeoutMs: 50 },
        service: {
          validate: async () => {
            await release.promise;
            return {};
          },
        },
      });
      const busy = await transport.http2(server);
      const call = rawCall(busy);
      call.stream.end(frame(validateBytes("a")));
      const idle = await transport.http2(server);

      const [code] = await once(idle, "goaway");
      await once(idle, "close");

      expect(code).to.equal(http2.constants.NGHTTP2_NO_ERROR);
      expect(busy.closed).to.equal(false);
      const goaway = once(busy, "goaway");
      release.resolve();
      expect((await call.response).grpcStatus).to.equal(grpc.status.OK);
      await goaway;
    });

    it("closes an idle HTTP/1.1 connection", async () => {
      const server = await transport.start({ limits: { idleConnectionTimeoutMs: 50 } });
      const socket = connect(server.port, "127.0.0.1");
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.resume();
      await once(socket, "end");
      socket.destroy();
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
    it("refuses a stream above the limit in a way that clients retry", async () => {
      const release = Promise.withResolvers<void>();
      const server = await transport.start({
        limits: { maxConcurrentStreams: 1 },
        service: {
          validate: async () => {
            await release.promise;
            return {};
          },
        },
      });
      // Before the server's settings have arrived, so that the client does not wait its turn.
      const session = http2.connect(server.url);
      session.on("error", () => {});
      transport.cleanups.push(() => session.destroy());
      const [first, second] = [rawCall(session), rawCall(session)];
      first.stream.end(frame(validateBytes("a")));
      second.stream.end(frame(validateBytes("b")));

      expect((await second.response).rstCode).to.equal(http2.constants.NGHTTP2_REFUSED_STREAM);
      release.resolve();
      expect((await first.response).grpcStatus).to.equal(grpc.status.OK);
    });

    it("ends the connection of a rapid-reset flood and serves the others meanwhile", async () => {
      const server = await transport.start();
      const client = transport.grpcClient(server);
      const flood = await transport.http2(server);
      const ended = new Promise((resolve) => flood.once("close", resolve));

      let sent = 0;
      let served = 0;
      while (!flood.destroyed && !flood.closed && sent < 100_000) {
        for (let i = 0; i < 100 && !flood.destroyed && !flood.closed; i += 1) {
          rawCall(flood).stream.close(http2.constants.NGHTTP2_CANCEL);
          sent += 1;
        }
        await callGrpc(client, SessionService.method.validate, validateRequest("a"));
        served += 1;
        await nextTurn();
      }
      await ended;

      expect(sent).to.be.lessThan(100_000);
      expect(served).to.be.greaterThan(0);
      const answer = await callGrpc(client, SessionService.method.validate, validateRequest("b"));
      expect(answer.session?.id).to.equal("b");
    });
  });
});
