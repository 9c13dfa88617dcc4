import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { ServerReflectionRequestSchema } from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
} from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { createReflection } from "../../src/rpc/reflection.ts";
import { exchange, type RawRequest, sendBytes, sendMessage } from "../support/exchange.ts";
import { type FastPathPair, useFastPathPairs, type Way } from "../support/fast-path-pair.ts";
import {
  cookieOf,
  frame,
  type StartOptions,
  testTls,
  validateBytes,
  validatePath,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

/** What grpc-js tells its user of a call. */
interface Told {
  initial: unknown;
  answer: string | undefined;
  status: { code: grpc.status; details: string; metadata: unknown };
}

function service(): NonNullable<StartOptions["service"]> {
  return {
    validate(request, { responseHeader, responseTrailer, requestHeader }: HandlerContext) {
      responseHeader.append("x-many", "1");
      responseHeader.append("x-many", requestHeader.get("x-asked") ?? "");
      responseTrailer.append("x-bytes-bin", "AAEC");
      if (cookieOf(request) === "wait") return new Promise<never>(() => {});
      if (cookieOf(request) !== "fail") return { session: { id: cookieOf(request) } };
      const error = new ConnectError("no, é 100 %", Code.NotFound, { "x-error": "a" });
      error.details.push({ desc: ErrorInfoSchema, value: { reason: "SOME_REASON" } });
      throw error;
    },
  };
}

const calls: [string, string, grpc.CallOptions & { cancel?: true }, grpc.status][] = [
  ["an answer", "abc", {}, grpc.status.OK],
  ["a long answer", "a".repeat(60_000), {}, grpc.status.OK],
  ["a failure", "fail", {}, grpc.status.NOT_FOUND],
  ["a cancelled call", "wait", { cancel: true }, grpc.status.CANCELLED],
];

const raw: [string, RawRequest][] = [
  ["a message", {}],
  ["a failure", { send: sendMessage("fail") }],
  ["no body", { noBody: true }],
  ["what is not protobuf", { send: sendBytes(frame(Buffer.of(0xff, 0xff))) }],
  ["two messages", { send: sendBytes(frame(validateBytes("a")), frame(validateBytes("b"))) }],
  ["a message that is too long", { send: sendBytes(frame(Buffer.of(1), 0, 0xffffffff)) }],
  ["gRPC-Web", { headers: { "content-type": "application/grpc-web+proto" } }],
  ["an unknown method", { headers: { ":path": "/no.Such/Method" } }],
  ["a deadline", { headers: { "grpc-timeout": "1S" }, send: sendMessage("wait") }],
];

for (const tls of [undefined, testTls]) {
  describe(`the fast path against Connect: clients ${tls ? "with" : "without"} TLS`, () => {
    const pairs = useFastPathPairs();

    function call(way: Way, cookie: string, options: grpc.CallOptions & { cancel?: true }) {
      const client = pairs.grpcClient(way.server);
      const metadata = new grpc.Metadata();
      metadata.set("x-asked", "2");
      const told: Partial<Told> = {};
      return new Promise<Partial<Told>>((resolve) => {
        const unary = client.makeUnaryRequest(
          validatePath,
          (bytes: Uint8Array) => Buffer.from(bytes),
          (bytes) => bytes.toString("hex"),
          validateBytes(cookie),
          metadata,
          options,
          (_, answer) => {
            told.answer = answer;
          },
        );
        unary.on("metadata", (initial: grpc.Metadata) => {
          told.initial = { ...initial.toJSON(), date: [] };
        });
        unary.on("status", ({ code, details, metadata: trailing }: grpc.StatusObject) => {
          told.status = { code, details, metadata: trailing.toJSON() };
          setImmediate(resolve, told);
        });
        if (options.cancel) {
          const arrived = until("the call arrives", async () => way.servedBy.length > 0);
          void arrived.then(() => unary.cancel());
        }
      });
    }

    for (const [name, cookie, options, code] of calls) {
      it(`tells grpc-js the same of ${name}`, async () => {
        const pair = await pairs.pair(() => ({ tls, service: service() }));

        const byFastPath = await call(pair.fastPath, cookie, options);
        const byConnect = await call(pair.connect, cookie, options);

        expect(byFastPath).to.deep.equal(byConnect);
        expect(byFastPath.status?.code).to.equal(code);
        expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
        expect(pair.connect.servedBy).to.deep.equal(["connect"]);
      });
    }

    it("tells grpc-js the same of a deadline", async () => {
      const pair = await pairs.pair(() => ({ tls, service: service() }));
      const statusOf = async (way: Way) =>
        (await call(way, "wait", { deadline: Date.now() + 100 })).status?.code;
      expect(await statusOf(pair.fastPath)).to.equal(grpc.status.DEADLINE_EXCEEDED);
      expect(await statusOf(pair.connect)).to.equal(grpc.status.DEADLINE_EXCEEDED);
    });

    it("answers all kinds of request alike, interleaved on one connection", async () => {
      const pair = await pairs.pair(() => ({ tls, service: service() }));
      const many = Array.from({ length: 8 }, () => raw).flat();
      const observe = async (way: Way) => {
        const tapped = await pairs.open(way);
        const observed = await Promise.all(many.map(([, request]) => exchange(tapped, request)));
        return many.map(([name], index) => ({ name, ...observed[index] }));
      };

      const [byFastPath, byConnect] = [await observe(pair.fastPath), await observe(pair.connect)];

      for (const [index, observed] of byFastPath.entries()) {
        expect(observed).to.deep.equal(byConnect[index]);
      }
      expect(pair.connect.servedBy).not.to.include("fast-path");
      const perRound = pair.fastPath.servedBy.length / 8;
      // A message, a failure and a deadline; gRPC-Web is not for the fastPath.
      expect(pair.fastPath.servedBy.filter((way) => way === "fast-path").length / 8).to.equal(3);
      expect(perRound).to.equal(4);
    });
  });
}

describe("the fast path against Connect: other services and what is left behind", () => {
  const pairs = useFastPathPairs();

  function everyService(): StartOptions {
    const health = createHealth([SessionService.typeName]);
    health.setServing(true);
    const reflection = createReflection([SessionService, Health], []);
    return {
      routes(router) {
        router.service(SessionService, service());
        health.routes(router);
        reflection.routes(router);
      },
    };
  }

  const ask = (named: string) =>
    frame(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service: named })));
  const requests: [string, string, Buffer, Code | 0][] = [
    ["Check", "/grpc.health.v1.Health/Check", ask(""), 0],
    ["Check of an unknown service", "/grpc.health.v1.Health/Check", ask("no"), Code.NotFound],
    ["List", "/grpc.health.v1.Health/List", ask(""), 0],
    ["Watch", "/grpc.health.v1.Health/Watch", ask(""), Code.DeadlineExceeded],
    [
      "reflection",
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      frame(
        toBinary(
          ServerReflectionRequestSchema,
          create(ServerReflectionRequestSchema, {
            messageRequest: { case: "listServices", value: "" },
          }),
        ),
      ),
      0,
    ],
  ];

  for (const [name, path, message, code] of requests) {
    it(`serves ${name} alike`, async () => {
      const pair = await pairs.pair(everyService);
      const answer = await pairs.compare(pair, {
        headers: { ":path": path, "grpc-timeout": name === "Watch" ? "60m" : "5S" },
        send: sendBytes(message),
      });
      expect(answer.trailers).to.include(`grpc-status: ${code}`);
      if (name === "Watch") {
        expect(answer.body.slice(10)).to.equal(
          Buffer.of(8, HealthCheckResponse_ServingStatus.SERVING).toString("hex"),
        );
      }
    });
  }

  it("leaves no call, stream or timer behind", async () => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const pair: FastPathPair = await pairs.pair(() => ({ service: service() }));
    for (const way of [pair.fastPath, pair.connect]) {
      const tapped = await pairs.open(way);
      // Connections have timers too.
      await exchange(tapped);
      const before = timers();
      const all = raw.map(([, request]) => exchange(tapped, request));
      const reset = { send: (stream: { close(code: number): void }) => stream.close(8) };
      await Promise.all([...all, exchange(tapped, reset)]);

      // Sooner than the timers of calls would fire by themselves.
      await until("no timer is left", async () => timers() <= before, 2000);
      expect(await way.server.drain(0)).to.deep.equal({ forced: 0 });
    }
  });
});
