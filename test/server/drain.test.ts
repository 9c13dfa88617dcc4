import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { connect } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import {
  callGrpc,
  cookieOf,
  failureOf,
  frame,
  rawCall,
  testTls,
  useTransport,
  validateBytes,
  validatePath,
  validateRequest,
} from "../support/transport.ts";

const graceMs = 10_000;

describe("drain", () => {
  const transport = useTransport();

  /** Calls that answer when they are told to. */
  function held() {
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<unknown>();
    const service: NonNullable<Parameters<typeof transport.start>[0]>["service"] = {
      validate: async (request, { signal }) => {
        started.resolve();
        signal.addEventListener("abort", () => aborted.resolve(signal.reason));
        await release.promise;
        return { session: { id: cookieOf(request) } };
      },
    };
    return {
      started: started.promise,
      release: release.resolve,
      aborted: aborted.promise,
      service,
    };
  }

  for (const security of [undefined, testTls]) {
    it(`lets calls finish over HTTP/2 ${security ? "with" : "without"} TLS`, async () => {
      const { service, started, release } = held();
      const server = await transport.start({ service, tls: security });
      const session = await transport.http2(server);
      const call = rawCall(session);
      call.stream.end(frame(validateBytes("a")));
      await started;

      const goaway = once(session, "goaway");
      const drained = server.drain(graceMs);
      await goaway;
      release();

      expect((await call.response).grpcStatus).to.equal(grpc.status.OK);
      expect(await drained).to.deep.equal({ forced: 0 });
    });
  }

  it("lets calls finish over HTTP/1.1 and closes their connections", async () => {
    const { service, started, release } = held();
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

  it("closes idle and silent connections at once", async () => {
    const server = await transport.start();
    const idleHttp2 = await transport.http2(server);
    const idleHttp1 = connect(server.port, "127.0.0.1");
    idleHttp1.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(idleHttp1, "data");
    const silent = connect(server.port, "127.0.0.1");
    silent.on("error", () => {});
    await once(silent, "connect");
    // A connection is accepted in order, so this answer means that the silent one is too.
    await (await fetch(server.url)).arrayBuffer();

    const closed = [idleHttp2, idleHttp1, silent].map((connection) => once(connection, "close"));
    expect(await server.drain(graceMs)).to.deep.equal({ forced: 0 });
    await Promise.all(closed);
  });

  it("closes the connection of a client that keeps its side open", async () => {
    const server = await transport.start();
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
    await once(socket, "data");
    socket.resume();

    expect(await server.drain(graceMs)).to.deep.equal({ forced: 0 });
    socket.destroy();
  });

  it("refuses new connections", async () => {
    const server = await transport.start();
    await server.drain(graceMs);

    const socket = connect(server.port, "127.0.0.1");
    const [error] = await once(socket, "error");
    expect(error.code).to.equal("ECONNREFUSED");
  });

  it("refuses a stream that comes too late in a way that clients retry", async () => {
    const { service, started, release } = held();
    const server = await transport.start({ service });
    const session = await transport.http2(server);
    const first = rawCall(session);
    first.stream.end(frame(validateBytes("a")));
    await started;

    // In the same turn, so that the client has not seen GOAWAY.
    const drained = server.drain(graceMs);
    const late = rawCall(session);
    late.stream.end(frame(validateBytes("b")));

    expect((await late.response).rstCode).to.equal(http2.constants.NGHTTP2_REFUSED_STREAM);
    release();
    expect((await first.response).grpcStatus).to.equal(grpc.status.OK);
    expect(await drained).to.deep.equal({ forced: 0 });
  });

  it("ends what is not done after the grace, with UNAVAILABLE, and counts it", async () => {
    const { service, started, aborted } = held();
    const server = await transport.start({ service });
    const session = await transport.http2(server);
    const call = rawCall(session);
    call.stream.end(frame(validateBytes("a")));
    await started;

    expect(await server.drain(10)).to.deep.equal({ forced: 1 });
    expect((await call.response).grpcStatus).to.equal(grpc.status.UNAVAILABLE);
    expect(ConnectError.from(await aborted).code).to.equal(Code.Unavailable);
  });

  it("is the same drain when it is called again", async () => {
    const server = await transport.start();
    const first = server.drain(graceMs);
    expect(server.drain(0)).to.equal(first);
    await first;
    expect(server.drain(0)).to.equal(first);
  });

  it("ends a Watch after it was told NOT_SERVING", async () => {
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
    const second = await transport.start();
    const options: grpc.ClientOptions = {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    };
    const first = await transport.start();
    const target = `ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`;
    const client = new grpc.Client(target, grpc.credentials.createInsecure(), options);
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
          await callGrpc(client, SessionService.method.validate, validateRequest("a"));
          answered += 1;
        } catch (error) {
          failures.push(error);
        }
        if (answered > 500) {
          enough.resolve();
        }
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
