import { once } from "node:events";
import { constants } from "node:http2";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import { ServerReflection } from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { tooManyStreamsError } from "../../src/rpc/errors.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { createReflection } from "../../src/rpc/reflection.ts";
import type { ObservedCall } from "../../src/server/call-observer.ts";
import type { Server, TransportLimits } from "../../src/server/server.ts";
import { createStreamLimits } from "../../src/server/stream-limits.ts";
import { frameType, RawHttp2, setting } from "../support/raw-http2.ts";
import { failureOf, frame, useTransport } from "../support/transport.ts";
import { until } from "../support/until.ts";

const WATCH = "/grpc.health.v1.Health/Watch";
const emptyMessage = frame(new Uint8Array());

/** What the limits use of an exchange. */
function unitExchange(closeAbusedConnection: () => void) {
  const peer = { address: "", network: "192.0.2.1", connection: 1, certificate: undefined };
  return { connection: {}, peer, whenClosed: () => {}, closeAbusedConnection };
}

describe("limits of streaming calls (F13)", () => {
  const transport = useTransport();

  async function start(
    limits: Partial<TransportLimits>,
    onError: (error: unknown, where: string) => void = () => {},
  ) {
    const calls: ObservedCall[] = [];
    const health = createHealth([]);
    health.setServing(true);
    const reflection = createReflection([SessionService], []);
    const server = await transport.start({
      limits,
      onError,
      tooManyStreamsError,
      observer: { observesSuccess: true, callEnded: (call) => calls.push(call) },
      routes(router) {
        health.routes(router);
        reflection.routes(router);
      },
    });
    return { server, health, calls };
  }

  /** Opens a Watch on a connection of its own; it has said its first status. */
  async function watch({ url }: Server, transport = createGrpcTransport({ baseUrl: url })) {
    const client = createClient(Health, transport);
    const updates = client.watch({})[Symbol.asyncIterator]();
    await updates.next();
    return updates;
  }

  async function rawClient(server: Server, options: object = {}): Promise<RawHttp2> {
    const client = await RawHttp2.open({ port: server.port, ...options });
    transport.cleanups.push(() => client.socket.destroy());
    return client;
  }

  it("refuses one too many on a connection at once, and serves it again after another has ended", async () => {
    const { server, health } = await start({ maxStreamsPerConnection: 1 });
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    const controller = new AbortController();
    const first = client.watch({}, { signal: controller.signal })[Symbol.asyncIterator]();
    await first.next();

    const failure = await failureOf<ConnectError>(client.watch({})[Symbol.asyncIterator]().next());
    expect(failure.code).to.equal(Code.ResourceExhausted);
    expect(failure.rawMessage).to.include("SESSIOND_MAX_STREAMS_PER_CONNECTION");
    expect((await client.check({})).status, "a unary call").to.equal(1);
    const other = await watch(server);

    controller.abort();
    await until("it has ended", async () => health.watchers === 1);
    const again = client.watch({})[Symbol.asyncIterator]();
    expect((await again.next()).done).to.equal(false);
    await Promise.all([again.return?.(), other.return?.()]);
  });

  it("refuses one too many in all", async () => {
    const { server } = await start({ maxStreams: 2 });
    const http1 = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
    const watches = [await watch(server), await watch(server, http1)];

    const failure = await failureOf<ConnectError>(watch(server));
    expect(failure.code).to.equal(Code.ResourceExhausted);
    expect(failure.rawMessage).to.include("(SESSIOND_MAX_STREAMS)");
    await Promise.all(watches.map((updates) => updates.return?.()));
  });

  it("refuses one too many of a peer, however many connections it has, and none of another", async () => {
    const { server, health } = await start({ maxStreamsPerPeer: 2 });
    const flood = [await rawClient(server), await rawClient(server)];
    for (const client of flood) client.call(WATCH, emptyMessage);
    await until("both are open", async () => health.watchers === 2);

    const failure = await failureOf<ConnectError>(watch(server));
    expect(failure.code).to.equal(Code.ResourceExhausted);
    expect(failure.rawMessage).to.include("(SESSIOND_MAX_STREAMS_PER_PEER)");

    const other = await rawClient(server, { localAddress: "127.0.0.2" });
    other.call(WATCH, emptyMessage);
    await until("that of another peer is open", async () => health.watchers === 3);

    flood[0]?.socket.destroy();
    await until("it has ended", async () => health.watchers === 2);
    const again = await watch(server);
    await again.return?.();
  });

  it("bounds a flood of Watches that are never read", async () => {
    const { server, health, calls } = await start({ maxStreamsPerConnection: 5 });
    const flood = await rawClient(server, { settings: [[setting.initialWindowSize, 0]] });
    for (let i = 0; i < 10; i += 1) flood.call(WATCH, emptyMessage);

    await until("the others are refused", async () => calls.length === 5);
    expect(health.watchers).to.equal(5);
    expect(flood.framesOf(frameType.goaway)).to.deep.equal([]);
  });

  it("closes a connection that goes on after many refusals", async () => {
    const { server, health } = await start({ maxStreamsPerConnection: 5 });
    const other = await watch(server);
    const flood = await rawClient(server);
    for (let i = 0; i < 90; i += 1) flood.call(WATCH, emptyMessage);

    await flood.closed;
    const [goaway] = flood.framesOf(frameType.goaway);
    expect(goaway?.payload.readUInt32BE(4)).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await until("its streams have ended", async () => health.watchers === 1);
    await other.return?.();
  });

  it("answers over HTTP/1.1 also the refusal after which it closes the connection", async () => {
    const reported: unknown[] = [];
    const { server } = await start({ maxStreamsPerPeer: 1, maxStreamsPerConnection: 1 }, (error) =>
      reported.push(error),
    );
    const other = await watch(server);
    const request =
      `POST ${WATCH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc-web\r\n` +
      "content-length: 5\r\n\r\n\0\0\0\0\0";
    const socket = transport.connect(server);
    socket.setEncoding("latin1");
    let received = "";
    socket.on("data", (text) => {
      received += text;
    });
    const closed = once(socket, "close");

    const responses = () => received.split("HTTP/1.1 ").slice(1);
    for (let count = 1; count <= 11; count += 1) {
      socket.write(request, "latin1");
      await until(`response ${count}`, async () => responses().length === count || socket.closed);
    }

    expect(responses().map((response) => /^connection: .*/im.exec(response)?.[0])).to.deep.equal([
      ...Array.from({ length: 10 }, () => "Connection: keep-alive"),
      "Connection: close",
    ]);
    await closed;
    expect(reported).to.deep.equal([]);
    await other.return?.();
  });

  for (const [limit, isAbuse] of [
    ["maxStreamsPerPeer", true],
    ["maxStreams", false],
  ] as const) {
    it(`${isAbuse ? "counts" : "does not count"} refusals by ${limit} as a connection's abuse`, () => {
      let abused = 0;
      const limits = { maxStreams: 100, maxStreamsPerPeer: 100, maxStreamsPerConnection: 10 };
      const streams = createStreamLimits({ ...limits, [limit]: 0 }, tooManyStreamsError);
      const exchange = unitExchange(() => {
        abused += 1;
      });
      for (let i = 0; i < 100; i += 1) expect(streams.open(exchange)).not.to.equal(undefined);
      expect(abused).to.equal(0);
      for (let i = 0; i < 20; i += 1) streams.open(exchange);
      expect(abused > 0).to.equal(isAbuse);
    });
  }

  it("does not close the connection of a gRPC client that repeats what its peer's limit refuses", () => {
    let now = 0;
    let abused = 0;
    const limits = { maxStreams: 100, maxStreamsPerPeer: 0, maxStreamsPerConnection: 10 };
    const streams = createStreamLimits(limits, tooManyStreamsError, () => now);
    const exchange = unitExchange(() => {
      abused += 1;
    });
    // gRPC's connection backoff, with the least that its jitter of 20 % makes of it.
    for (let backoff = 1000; now < 3_600_000; backoff = Math.min(1.6 * backoff, 120_000)) {
      for (let i = 0; i < limits.maxStreamsPerConnection; i += 1) streams.open(exchange);
      now += 0.8 * backoff;
    }
    expect(abused).to.equal(0);
  });

  it("does not close a connection whose refusals are spread over time", () => {
    let now = 0;
    let abused = 0;
    const streams = createStreamLimits(
      { maxStreams: 100, maxStreamsPerPeer: 100, maxStreamsPerConnection: 10 },
      tooManyStreamsError,
      () => now,
    );
    const exchange = unitExchange(() => {
      abused += 1;
    });
    const open = () => streams.open(exchange);
    for (let i = 0; i < 10; i += 1) expect(open()).to.equal(undefined);

    for (; now < 60_000; now += 1000) expect(open()).not.to.equal(undefined);
    expect(abused, "one a second").to.equal(0);
    for (let i = 0; i < 10; i += 1) open();
    expect(abused, "the last second's and ten at once").to.equal(0);
    open();
    expect(abused).to.equal(1);
  });

  it("ends a Watch at its maximum age with UNAVAILABLE, which is no failure", async () => {
    const { server, health, calls } = await start({ maxStreamAgeMs: 100 });
    const updates = await watch(server);

    const end = await failureOf<ConnectError>(updates.next());

    expect(end.code).to.equal(Code.Unavailable);
    expect(end.rawMessage).to.include("maximum age");
    await until("it is observed", async () => calls.length > 0);
    expect(calls[0]?.error).to.equal(undefined);
    expect(health.watchers).to.equal(0);
  });

  it("ends a conversation at the longest deadline of a call", async () => {
    const { server } = await start({ maxDeadlineMs: 100 });
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: server.url }));
    const never = Promise.withResolvers<void>();
    async function* silent() {
      await never.promise;
      yield {};
    }
    const responses = client.serverReflectionInfo(silent())[Symbol.asyncIterator]();
    expect((await failureOf<ConnectError>(responses.next())).code).to.equal(Code.Unavailable);
    never.resolve();
    // A Watch is none.
    const updates = await watch(server);
    await updates.return?.();
  });

  it("closes the connection of a client that leaves a conversation unfinished", async () => {
    const { server } = await start({ maxDeadlineMs: 100 });
    const client = await rawClient(server);
    client.call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    await client.closed;
  });

  it("counts no Watch as failed that a shutdown ends", async () => {
    const { server, calls } = await start({});
    const updates = await watch(server);

    const [end] = await Promise.all([
      failureOf<ConnectError>(updates.next()),
      server.drain(60_000),
    ]);

    expect(end.code).to.equal(Code.Unavailable);
    expect(calls.map(({ rpc, error }) => [rpc, error])).to.deep.equal([
      ["grpc.health.v1.Health/Watch", undefined],
    ]);
  });
});
