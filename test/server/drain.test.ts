import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { mock } from "node:test";
import { connect as connectTls } from "node:tls";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/es/health/v1/health_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import { encodeFrame, flag, frameType, RawHttp2 } from "../support/raw-http2.ts";
import {
  failureOf,
  frame,
  sendCall,
  testTls,
  useTransport,
  validateBytes,
  validateOverGrpc,
  validatePath,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

/** Longer than any drain takes. */
const graceMs = 120_000;

describe("drain", () => {
  const transport = useTransport();
  afterEach(() => mock.timers.reset());

  for (const security of [undefined, testTls]) {
    it(`lets calls finish over HTTP/2 ${security ? "with" : "without"} TLS`, async () => {
      const { service, started, release } = pendingHandler();
      const server = await transport.start({ service, tls: security });
      const session = await transport.http2(server);
      const { response } = sendCall(session);
      await started;

      const goaway = once(session, "goaway");
      const drained = server.drain(graceMs);
      await goaway;
      release();

      expect((await response).grpcStatus).to.equal(grpc.status.OK);
      expect(await drained).to.deep.equal({ forced: 0 });
    });
  }

  it("lets calls finish over HTTP/1.1 and closes their connections", async () => {
    const { service, started, release } = pendingHandler();
    const server = await transport.start({ service });
    const agent = new http.Agent({ keepAlive: true });
    transport.cleanups.push(() => agent.destroy());
    const request = http.request(server.url + validatePath, {
      agent,
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    request.end("{}");
    await started;

    const drained = server.drain(graceMs);
    release();

    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    response.resume();
    expect(response.statusCode).to.equal(200);
    expect(response.headers.connection).to.equal("close");
    expect(await drained).to.deep.equal({ forced: 0 });
  });

  describe("of a connection whose first bytes are on the way", () => {
    async function connectBeforeDrain() {
      const { service, release } = pendingHandler();
      release();
      const server = await transport.start({ service });
      const socket = transport.connect(server);
      await until("it is taken", async () => server.state().connections.undecided === 1);
      // The bytes are on the way for as long as the machine needs.
      mock.timers.enable({ apis: ["setTimeout"] });
      return { server, drained: server.drain(graceMs), createConnection: () => socket };
    }

    it("serves what they ask over HTTP/2", async () => {
      const { server, drained, createConnection } = await connectBeforeDrain();
      const session = http2.connect(server.url, { createConnection });
      transport.cleanups.push(() => session.destroy());
      const goaway = once(session, "goaway");
      const { response } = sendCall(session);

      expect((await response).grpcStatus).to.equal(grpc.status.OK);
      expect(await drained).to.deep.equal({ forced: 0 });
      await goaway;
    });

    it("serves what they ask over HTTP/1.1", async () => {
      const { server, drained, createConnection } = await connectBeforeDrain();
      const request = http.request(server.url + validatePath, {
        createConnection,
        method: "POST",
        headers: { "content-type": "application/json" },
      });
      request.end("{}");

      const [response] = (await once(request, "response")) as [http.IncomingMessage];
      response.resume();
      expect(response.statusCode).to.equal(200);
      expect(response.headers.connection).to.equal("close");
      expect(await drained).to.deep.equal({ forced: 0 });
    });
  });

  it("closes idle connections at once, and those without a request after a second", async () => {
    const server = await transport.start();
    const idleHttp2 = await transport.http2(server);
    const idleHttp1 = transport.connect(server);
    idleHttp1.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(idleHttp1, "data");
    const [silent, slow] = [transport.connect(server), transport.connect(server)];
    slow.write("GET / HTTP/1.1\r\nHo");
    const open = () => server.state().connections;
    await until("all are open", async () => open().http1 === 2 && open().undecided === 1);

    mock.timers.enable({ apis: ["setTimeout"] });
    const closed = [silent, slow].map((socket) => once(socket.resume(), "close"));
    const idleClosed = [idleHttp2, idleHttp1].map((connection) => once(connection, "close"));
    const drained = server.drain(graceMs);
    await Promise.all(idleClosed);
    mock.timers.tick(999);
    await new Promise(setImmediate);
    expect(open()).to.deep.equal({ http1: 1, http2: 0, undecided: 1 });
    mock.timers.tick(1);
    await Promise.all(closed);
    expect(await drained).to.deep.equal({ forced: 0 });
  });

  it("closes TLS connections without a request after a second", async () => {
    const server = await transport.start({ tls: testTls });
    const silent = connectTls({ port: server.port, host: "127.0.0.1", ca: testTls.certificate });
    transport.cleanups.push(() => silent.destroy());
    await once(silent, "secureConnect");
    await until("it is HTTP/1.1", async () => server.state().connections.http1 === 1);

    mock.timers.enable({ apis: ["setTimeout"] });
    const closed = once(silent.resume(), "close");
    const drained = server.drain(graceMs);
    mock.timers.tick(1000);
    await closed;
    expect(await drained).to.deep.equal({ forced: 0 });
  });

  it("closes the connection of a client that keeps its side open", async () => {
    const server = await transport.start();
    const socket = transport.connect(server, { allowHalfOpen: true });
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
    await once(socket, "data");
    socket.resume();

    expect(await server.drain(graceMs)).to.deep.equal({ forced: 0 });
  });

  it("refuses new connections", async () => {
    const server = await transport.start();
    await server.drain(graceMs);

    const [error] = await once(transport.connect(server), "error");
    expect(error.code).to.equal("ECONNREFUSED");
  });

  it("serves a stream that was sent before the client has seen GOAWAY", async () => {
    const { service, started, release } = pendingHandler();
    const server = await transport.start({ service });
    const session = await transport.http2(server);
    const first = sendCall(session);
    await started;

    // In the same turn, so that the client has not seen GOAWAY.
    const drained = server.drain(graceMs);
    const late = sendCall(session);
    release();

    expect((await late.response).grpcStatus).to.equal(grpc.status.OK);
    expect((await first.response).grpcStatus).to.equal(grpc.status.OK);
    expect(await drained).to.deep.equal({ forced: 0 });
  });

  it("names the last stream that it serves, and serves no later one", async () => {
    const { service, started, release } = pendingHandler();
    let served = 0;
    const validate: typeof service.validate = (...call) => {
      served += 1;
      return service.validate(...call);
    };
    const server = await transport.start({ service: { validate } });
    const client = await RawHttp2.open({ port: server.port });
    transport.cleanups.push(() => client.socket.destroy());
    const message = frame(validateBytes("a"));
    const first = client.call(validatePath, message);
    await started;

    const drained = server.drain(graceMs);
    // In the same turn, so that the client has not seen GOAWAY.
    const late = client.call(validatePath, message);
    const goaways = () => client.framesOf(frameType.goaway);
    await until("the second GOAWAY has come", async () => goaways().length === 2);
    const tooLate = client.call(validatePath, message);
    client.write(encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)));
    await until("it has been read", async () =>
      client.framesOf(frameType.ping).some(({ flags }) => flags === flag.ack),
    );
    release();
    await client.closed;

    expect(goaways().map(({ payload }) => payload.readUInt32BE(0))).to.deep.equal([
      2 ** 31 - 1,
      late,
    ]);
    const answered = client.framesOf(frameType.headers).map(({ streamId }) => streamId);
    expect(answered).to.include.members([first, late]).and.not.include(tooLate);
    expect(served).to.equal(2);
    expect(await drained).to.deep.equal({ forced: 0 });
  });

  it("aborts and counts calls that outlast the grace, with UNAVAILABLE", async () => {
    // No other time passes than the grace: the call has all that it needs to tell its client.
    mock.timers.enable({ apis: ["setTimeout"] });
    const { service, started, aborted } = pendingHandler();
    const server = await transport.start({ service });
    const { response } = sendCall(await transport.http2(server));
    await started;

    const drained = server.drain(10);
    mock.timers.tick(10);
    expect(await drained).to.deep.equal({ forced: 1 });
    expect((await response).grpcStatus).to.equal(grpc.status.UNAVAILABLE);
    expect(ConnectError.from(await aborted).code).to.equal(Code.Unavailable);
  });

  it("returns the same promise when it is called again", async () => {
    const server = await transport.start();
    const first = server.drain(graceMs);
    expect(server.drain(0)).to.equal(first);
    await first;
    expect(server.drain(0)).to.equal(first);
  });

  it("ends a Watch with UNAVAILABLE after it has sent NOT_SERVING", async () => {
    const health = createHealth([]);
    health.setServing(true);
    const server = await transport.start({ routes: health.routes });
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    const updates = client.watch({})[Symbol.asyncIterator]();
    await updates.next();

    health.setServing(false);
    const drained = server.drain(graceMs);

    const last = await updates.next();
    expect(last.value?.status).to.equal(HealthCheckResponse_ServingStatus.NOT_SERVING);
    const end = await failureOf<ConnectError>(updates.next());
    expect(end.code).to.equal(Code.Unavailable);
    expect(await drained).to.deep.equal({ forced: 0 });
    expect(health.watchers).to.equal(0);
  });

  it("loses no call of grpc-js while another replica takes over", async () => {
    const [second, first] = [await transport.start(), await transport.start()];
    const target = `ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`;
    const client = new grpc.Client(target, grpc.credentials.createInsecure(), {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    });
    transport.cleanups.push(() => client.close());
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + graceMs, (error) => (error ? reject(error) : resolve()));
    });

    let stop = false;
    let answered = 0;
    const failures: unknown[] = [];
    const enough = Promise.withResolvers<void>();
    const caller = async () => {
      while (!stop) {
        try {
          await validateOverGrpc(client);
          answered += 1;
        } catch (error) {
          failures.push(error);
        }
        if (answered > 500) enough.resolve();
      }
    };
    const callers = Array.from({ length: 50 }, caller);
    await enough.promise;
    const drained = await first.drain(graceMs);
    stop = true;
    await Promise.all(callers);

    expect(failures).to.deep.equal([]);
    expect(drained).to.deep.equal({ forced: 0 });
  });
});
