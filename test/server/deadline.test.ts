import { once } from "node:events";
import { mock } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { Code, ConnectError, createClient, createContextKey } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import type { ObservedCall } from "../../src/server/call-observer.ts";
import { limitDeadline } from "../../src/server/deadline.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import {
  failureOf,
  frame,
  postJson,
  rawCall,
  sendCall,
  useTransport,
  validateBytes,
  validateOverGrpc,
} from "../support/transport.ts";

describe("limitDeadline", () => {
  type Case = [string, string | null, number | undefined, number | undefined, string | null];
  const stream = undefined;
  const maxTimerMs = 2 ** 31 - 1;
  const cases: Case[] = [
    ["keeps a shorter timeout", "5S", 10_000, 5000, "5S"],
    ["keeps the longest timeout", "10S", 10_000, 10_000, "10S"],
    ["lowers a longer timeout", "60S", 10_000, 10_000, "10000m"],
    ["lowers a timeout that overflows a timer", "99999999H", 10_000, 10_000, "10000m"],
    ["sets a missing timeout", null, 10_000, 10_000, "10000m"],
    ["keeps zero", "0m", 10_000, 0, "0m"],
    ["keeps a nanosecond", "1n", 10_000, 1e-6, "1n"],
    ["leaves a malformed timeout to Connect", "soon", 10_000, 10_000, "soon"],
    ["treats nine digits as malformed", "999999999m", 10_000, 10_000, "999999999m"],
    ["treats a number without a unit as malformed", "0", 10_000, 10_000, "0"],
    ["writes a limit of eight digits in ms", null, 99_999_999, 99_999_999, "99999999m"],
    ["writes a longer limit in seconds", null, 100_000_000, 100_000_000, "100000S"],
    ["lowers a limit that overflows a timer", null, 1e12, maxTimerMs, "2147483S"],
    ["sets none for a stream", null, stream, undefined, null],
    ["keeps a long timeout of a stream", "24H", stream, 86_400_000, "24H"],
    ["lowers one that overflows a timer", "99999999H", stream, maxTimerMs, "2147483S"],
    ["keeps a malformed timeout of a stream", "soon", stream, undefined, "soon"],
  ];
  for (const [name, value, maxMs, expectedMs, expectedValue] of cases) {
    it(name, () => {
      const header = new Headers({ "content-type": "application/grpc+proto" });
      if (value !== null) header.set("grpc-timeout", value);
      expect(limitDeadline(header, maxMs)).to.equal(expectedMs);
      expect(header.get("grpc-timeout")).to.equal(expectedValue);
    });
  }

  it("uses the header of the Connect protocol", () => {
    const header = new Headers({
      "content-type": "application/json",
      "connect-timeout-ms": "9999999999",
    });
    expect(limitDeadline(header, 10_000)).to.equal(10_000);
    expect(header.get("connect-timeout-ms")).to.equal("10000");
  });
});

/** For tests that hold the timers: waits by turns of the event loop. */
async function untilHeld(what: string, condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    if (turns === 100_000) throw new Error(`never: ${what}`);
    await nextTurn();
  }
}

// The comparison of the fast path with Connect has the malformed and the expired deadlines.
describe("deadline", () => {
  const transport = useTransport();
  // For the tests that let a deadline pass once a call has reached its handler.
  afterEach(() => mock.timers.reset());
  /** Slower than a timer that has overflowed. */
  const slow = { validate: () => delay(20, { session: { id: "late" } }) };

  for (const timeout of ["120S", "99999999H", "60S", "30000m"]) {
    it(`serves a call with grpc-timeout ${timeout}`, async () => {
      const server = await transport.start({ service: slow, limits: { maxDeadlineMs: 60_000 } });
      const session = await transport.http2(server);
      const { grpcStatus } = await sendCall(session, { "grpc-timeout": timeout }).response;
      expect(grpcStatus).to.equal(grpc.status.OK);
    });
  }

  it("serves a call whose connect-timeout-ms overflows a timer", async () => {
    const server = await transport.start({ service: slow });
    const headers = { "connect-timeout-ms": "9999999999" };
    const response = await postJson(server, "{}", { headers });
    expect(response.status).to.equal(200);
    await response.arrayBuffer();
  });

  it("ends a call without a deadline at the limit, even if the handler ignores it", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    const { service, started, aborted } = pendingHandler();
    const server = await transport.start({ service, limits: { maxDeadlineMs: 50 } });

    const call = failureOf<grpc.ServiceError>(validateOverGrpc(transport.grpcClient(server)));
    await started;
    mock.timers.tick(50);

    const failure = await call;
    expect(failure.code).to.equal(grpc.status.DEADLINE_EXCEEDED);
    expect(ConnectError.from(await aborted).code).to.equal(Code.DeadlineExceeded);
  });

  it("tells the handler the lowered deadline", async () => {
    const { service, started } = pendingHandler();
    const server = await transport.start({ service, limits: { maxDeadlineMs: 60_000 } });
    const { stream } = sendCall(await transport.http2(server), { "grpc-timeout": "120S" });
    expect((await started).timeoutMs()).to.be.within(1, 60_000);
    stream.close();
  });

  it("shows interceptors the same outcome as the client", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    const { service, started } = pendingHandler();
    const seen: unknown[] = [];
    const server = await transport.start({
      service,
      limits: { maxDeadlineMs: 50 },
      interceptors: [
        (next) => (req) =>
          next(req).catch((error: unknown) => {
            seen.push(ConnectError.from(error).code);
            throw error;
          }),
      ],
    });

    const { response } = sendCall(await transport.http2(server));
    await started;
    mock.timers.tick(50);

    expect((await response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
    expect(seen).to.deep.equal([Code.DeadlineExceeded]);
  });

  it("fires the handler's signal when an HTTP/1.1 client has gone away", async () => {
    const { service, started, aborted } = pendingHandler();
    const server = await transport.start({ service });
    const controller = new AbortController();

    const { signal } = controller;
    const response = postJson(server, "{}", { signal }).catch(() => {});
    await started;
    controller.abort();

    await aborted;
    await response;
  });

  it("ends a call whose body does not arrive in time", async () => {
    const server = await transport.start({ limits: { maxDeadlineMs: 100 } });
    const { stream, response } = rawCall(await transport.http2(server));
    stream.write(frame(validateBytes("a")).subarray(0, 6));
    expect((await response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
  });

  it("counts from the headers, also if the call falls back to Connect later", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    let passedMs = 0;
    const now = performance.now.bind(performance);
    const clock = mock.method(performance, "now", () => now() + passedMs);
    const pass = (ms: number) => {
      passedMs += ms;
      mock.timers.tick(ms);
    };
    try {
      const asked: number[] = [];
      const calls: ObservedCall[] = [];
      const server = await transport.start({
        // Asked for each call, and again for one that falls back.
        authentication: {
          authenticate: () => asked.push(passedMs),
          contextKey: createContextKey<unknown>(undefined),
        },
        observer: { observesSuccess: false, callEnded: (call) => calls.push(call) },
      });
      const headers = { "grpc-timeout": "10000m" };
      const { stream, response } = rawCall(await transport.http2(server), headers);
      await untilHeld("its headers arrive", () => asked.length === 1);
      pass(6000);
      // The beginning of a compressed message.
      stream.write(Buffer.of(1, 0, 0, 0, 9, 0));
      await untilHeld("it falls back", () => asked.length === 2);
      pass(4000);
      await untilHeld("it ends", () => calls.length === 1);

      expect((await response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
      expect(asked).to.deep.equal([0, 6000]);
      expect(calls.map(({ durationMs }) => durationMs >= 10_000)).to.deep.equal([true]);
    } finally {
      clock.mock.restore();
    }
  });

  it("responds over HTTP/1.1 if the body does not arrive in time", async () => {
    const server = await transport.start({ limits: { maxDeadlineMs: 100 } });
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
    });
    const response = await postJson(server, body, { duplex: "half" });
    expect(response.status).to.equal(504);
    expect(await response.json()).to.include({ code: "deadline_exceeded" });
  });

  it("does not end a stream without a deadline", async () => {
    const health = createHealth([]);
    const server = await transport.start({
      routes: health.routes,
      limits: { maxDeadlineMs: 1, idleConnectionTimeoutMs: 500 },
    });
    const client = createClient(
      Health,
      createGrpcTransport({ baseUrl: server.url, idleConnectionTimeoutMs: 100 }),
    );
    const controller = new AbortController();

    const updates = client.watch({}, { signal: controller.signal })[Symbol.asyncIterator]();
    await updates.next();
    // Both limits have ended others that came later.
    const idle = await transport.http2(server);
    await once(idle, "close");
    const unary = rawCall(await transport.http2(server), {
      ":path": "/grpc.health.v1.Health/Check",
    });
    unary.stream.write(Buffer.of(0));
    expect((await unary.response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
    health.setServing(true);

    expect((await updates.next()).done).to.equal(false);
    controller.abort();
    await failureOf(updates.next());
  });

  it("ends a stream at the deadline of its client", async () => {
    const server = await transport.start({ routes: createHealth([]).routes });
    const headers = { ":path": "/grpc.health.v1.Health/Watch", "grpc-timeout": "50m" };
    const call = sendCall(await transport.http2(server), headers, frame(new Uint8Array()));
    expect((await call.response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
  });
});
