import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, createClient, type HandlerContext } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { limitDeadline } from "../../src/server/deadline.ts";
import {
  callGrpc,
  failureOf,
  frame,
  rawCall,
  useTransport,
  validateBytes,
  validatePath,
  validateRequest,
} from "../support/transport.ts";

describe("limiting the deadline that a client asks for", () => {
  const cases: [
    name: string,
    value: string | null,
    max: number | undefined,
    ms?: number | undefined,
    to?: string,
  ][] = [
    ["a shorter one stays", "5S", 10_000, 5000, "5S"],
    ["the longest one stays", "10S", 10_000, 10_000, "10S"],
    ["a longer one is lowered", "60S", 10_000, 10_000, "10000m"],
    ["one that overflows a timer is lowered", "99999999H", 10_000, 10_000, "10000m"],
    ["a missing one is set", null, 10_000, 10_000, "10000m"],
    ["zero stays zero", "0m", 10_000, 0, "0m"],
    ["a nanosecond stays", "1n", 10_000, 1e-6, "1n"],
    ["nonsense is left for Connect to refuse", "soon", 10_000, 10_000, "soon"],
    ["nine digits are nonsense", "999999999m", 10_000, 10_000, "999999999m"],
    ["a number without a unit is nonsense", "0", 10_000, 10_000, "0"],
    ["a bound of eight digits is in milliseconds", null, 99_999_999, 99_999_999, "99999999m"],
    ["a larger bound is in seconds", null, 100_000_000, 100_000_000, "100000S"],
    ["a bound beyond a timer is lowered itself", null, 1e12, 2 ** 31 - 1, "2147483S"],
    ["a stream without one has none", null, undefined],
    ["a stream keeps a long one", "24H", undefined, 86_400_000, "24H"],
    [
      "a stream's is lowered to what a timer holds",
      "99999999H",
      undefined,
      2 ** 31 - 1,
      "2147483S",
    ],
    ["a stream's nonsense is left", "soon", undefined, undefined, "soon"],
  ];
  for (const [name, value, max, ms, to] of cases) {
    it(name, () => {
      const header = new Headers({ "content-type": "application/grpc+proto" });
      if (value !== null) {
        header.set("grpc-timeout", value);
      }
      expect(limitDeadline(header, max)).to.equal(ms);
      expect(header.get("grpc-timeout")).to.equal(to ?? null);
    });
  }

  it("uses Connect's header for Connect", () => {
    const header = new Headers({
      "content-type": "application/json",
      "connect-timeout-ms": "9999999999",
    });
    expect(limitDeadline(header, 10_000)).to.equal(10_000);
    expect(header.get("connect-timeout-ms")).to.equal("10000");
  });
});

describe("deadline", () => {
  const transport = useTransport();

  /** A handler that notes what it was given and waits for its signal. */
  function waiting() {
    const started = Promise.withResolvers<HandlerContext>();
    const aborted = Promise.withResolvers<unknown>();
    return {
      started: started.promise,
      aborted: aborted.promise,
      service: {
        validate: (_: unknown, context: HandlerContext) => {
          started.resolve(context);
          context.signal.addEventListener("abort", () => aborted.resolve(context.signal.reason));
          return new Promise<never>(() => {});
        },
      },
    };
  }

  for (const timeout of ["60S", "99999999H", "10S", "100m"]) {
    it(`answers a call with grpc-timeout ${timeout}`, async () => {
      const server = await transport.start({
        // Slower than a timer that has overflowed.
        service: { validate: () => delay(20, { session: { id: "late" } }) },
      });
      const session = await transport.http2(server);

      const { stream, response } = rawCall(session, { "grpc-timeout": timeout });
      stream.end(frame(validateBytes("a")));

      expect((await response).grpcStatus).to.equal(grpc.status.OK);
    });
  }

  it("answers a call whose Connect deadline would overflow a timer", async () => {
    const server = await transport.start({
      service: { validate: () => delay(20, { session: { id: "late" } }) },
    });

    const response = await fetch(server.url + validatePath, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-timeout-ms": "9999999999" },
      body: "{}",
    });

    expect(response.status).to.equal(200);
    await response.arrayBuffer();
  });

  for (const timeout of ["soon", "0", "-1S", "1.5S", "999999999S"]) {
    it(`refuses grpc-timeout ${timeout} with INVALID_ARGUMENT`, async () => {
      const server = await transport.start();
      const session = await transport.http2(server);

      const { stream, response } = rawCall(session, { "grpc-timeout": timeout });
      stream.end(frame(validateBytes("a")));

      expect((await response).grpcStatus).to.equal(grpc.status.INVALID_ARGUMENT);
    });
  }

  it("answers grpc-timeout 0m with DEADLINE_EXCEEDED, without asking the handler", async () => {
    let asked = 0;
    const server = await transport.start({
      service: {
        validate: () => {
          asked += 1;
          return {};
        },
      },
    });
    const session = await transport.http2(server);

    const { stream, response } = rawCall(session, { "grpc-timeout": "0m" });
    stream.end(frame(validateBytes("a")));

    expect((await response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
    expect(asked).to.equal(0);
  });

  it("ends a call without a deadline, also where the handler does not notice", async () => {
    const { service, aborted } = waiting();
    const server = await transport.start({ service, limits: { maxDeadlineMs: 50 } });
    const client = transport.grpcClient(server);

    const failure = await failureOf<grpc.ServiceError>(
      callGrpc(client, SessionService.method.validate, validateRequest("a")),
    );

    expect(failure.code).to.equal(grpc.status.DEADLINE_EXCEEDED);
    expect(ConnectError.from(await aborted).code).to.equal(Code.DeadlineExceeded);
  });

  it("tells the handler the deadline that was lowered", async () => {
    const { service, started } = waiting();
    const server = await transport.start({ service, limits: { maxDeadlineMs: 5000 } });
    const session = await transport.http2(server);

    const { stream } = rawCall(session, { "grpc-timeout": "60S" });
    stream.end(frame(validateBytes("a")));

    expect((await started).timeoutMs()).to.be.within(1, 5000);
    stream.close();
  });

  it("shows the interceptors the outcome that the client sees", async () => {
    const { service } = waiting();
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
    const session = await transport.http2(server);

    const { stream, response } = rawCall(session);
    stream.end(frame(validateBytes("a")));

    expect((await response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
    expect(seen).to.deep.equal([Code.DeadlineExceeded]);
  });

  it("tells the handler that the client has cancelled", async () => {
    const { service, started, aborted } = waiting();
    const server = await transport.start({ service });
    const session = await transport.http2(server);

    const { stream } = rawCall(session);
    stream.end(frame(validateBytes("a")));
    await started;
    stream.close(8);

    expect(ConnectError.from(await aborted).code).to.equal(Code.Canceled);
  });

  it("tells the handler that an HTTP/1.1 client has gone away", async () => {
    const { service, started, aborted } = waiting();
    const server = await transport.start({ service });
    const controller = new AbortController();

    const response = fetch(server.url + validatePath, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
      signal: controller.signal,
    }).catch(() => {});
    await started;
    controller.abort();

    await aborted;
    await response;
  });

  it("cuts a body that trickles", async () => {
    const server = await transport.start({ limits: { maxDeadlineMs: 100 } });
    const session = await transport.http2(server);

    const { stream, response } = rawCall(session);
    stream.write(frame(validateBytes("a")).subarray(0, 6));

    expect((await response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
  });

  it("cuts a body that trickles over HTTP/1.1, and answers", async () => {
    const server = await transport.start({ limits: { maxDeadlineMs: 100 } });
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
    });

    const response = await fetch(server.url + validatePath, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      duplex: "half",
    });

    expect(response.status).to.equal(504);
    expect(await response.json()).to.include({ code: "deadline_exceeded" });
  });

  it("does not end a stream that has no deadline", async () => {
    const health = createHealth([]);
    const server = await transport.start({
      routes: health.routes,
      limits: { maxDeadlineMs: 1, idleConnectionTimeoutMs: 10 },
    });
    const client = createClient(
      Health,
      createGrpcTransport({ baseUrl: server.url, idleConnectionTimeoutMs: 100 }),
    );
    const controller = new AbortController();

    const updates = client.watch({}, { signal: controller.signal })[Symbol.asyncIterator]();
    await updates.next();
    await delay(100);
    health.setServing(true);

    expect((await updates.next()).done).to.equal(false);
    controller.abort();
    await failureOf(updates.next());
  });

  it("ends a stream at the deadline that its client asked for", async () => {
    const server = await transport.start({ routes: createHealth([]).routes });
    const session = await transport.http2(server);

    const { stream, response } = rawCall(session, {
      ":path": "/grpc.health.v1.Health/Watch",
      "grpc-timeout": "50m",
    });
    stream.end(frame(new Uint8Array()));

    expect((await response).grpcStatus).to.equal(grpc.status.DEADLINE_EXCEEDED);
  });
});
