import { mock } from "node:test";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
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
import {
  type ComparedServer,
  expectServedBy,
  onBoth,
  useFastPathPairs,
} from "../support/fast-path-pair.ts";
import {
  cookieOf,
  frame,
  type StartOptions,
  testTls,
  validateBytes,
  validatePath,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

/** What grpc-js reports to its user about a call. */
interface Reported {
  initialMetadata: unknown;
  response: string | undefined;
  status: { code: grpc.status; details: string; metadata: unknown };
}

/** A Trailers-Only response has the date among its trailing metadata. */
function exceptDate(metadata: grpc.Metadata): unknown {
  const { date, ...others } = metadata.toJSON();
  return others;
}

type CallOptions = grpc.CallOptions & { cancel?: true };

const service: NonNullable<StartOptions["service"]> = {
  validate(request, { responseHeader, responseTrailer, requestHeader }: HandlerContext) {
    responseHeader.append("x-many", "1");
    responseHeader.append("x-many", requestHeader.get("x-asked") ?? "none");
    responseTrailer.append("x-bytes-bin", "AAEC");
    if (cookieOf(request) === "wait") return new Promise<never>(() => {});
    if (cookieOf(request) !== "fail") return { session: { id: cookieOf(request) } };
    const error = new ConnectError("no, é 100 %", Code.NotFound, { "x-error": "a" });
    error.details.push({ desc: ErrorInfoSchema, value: { reason: "SOME_REASON" } });
    throw error;
  },
};

const calls: [string, string, CallOptions, grpc.status][] = [
  ["a response", "abc", {}, grpc.status.OK],
  ["a long response", "a".repeat(60_000), {}, grpc.status.OK],
  ["an error", "fail", {}, grpc.status.NOT_FOUND],
  ["a cancelled call", "wait", { cancel: true }, grpc.status.CANCELLED],
];

const requests: [string, RawRequest][] = [
  ["a message", {}],
  ["an error", { send: sendMessage("fail") }],
  ["no body", { noBody: true }],
  ["what is not protobuf", { send: sendBytes(frame(Buffer.of(0xff, 0xff))) }],
  ["two messages", { send: sendBytes(frame(validateBytes("a")), frame(validateBytes("b"))) }],
  ["a message that is too long", { send: sendBytes(frame(Buffer.of(1), 0, 0xffffffff)) }],
  ["gRPC-Web", { headers: { "content-type": "application/grpc-web+proto" } }],
  ["an unknown method", { headers: { ":path": "/no.Such/Method" }, noBody: true }],
  ["a deadline", { headers: { "grpc-timeout": "1S" }, send: sendMessage("wait") }],
];

for (const tls of [undefined, testTls]) {
  describe(`fast path compared with Connect: clients ${tls ? "with" : "without"} TLS`, () => {
    const pairs = useFastPathPairs();
    const start = () => pairs.pair(() => ({ tls, service }));
    afterEach(() => mock.timers.reset());

    function call({ server, servedBy }: ComparedServer, cookie: string, options: CallOptions) {
      const client = pairs.grpcClient(server);
      const metadata = new grpc.Metadata();
      metadata.set("x-asked", "2");
      const reported: Partial<Reported> = {};
      return new Promise<Partial<Reported>>((resolve) => {
        const unary = client.makeUnaryRequest(
          validatePath,
          (bytes: Uint8Array) => Buffer.from(bytes),
          (bytes) => bytes.toString("hex"),
          validateBytes(cookie),
          metadata,
          options,
          (_, response) => {
            reported.response = response;
          },
        );
        unary.on("metadata", (initial: grpc.Metadata) => {
          reported.initialMetadata = exceptDate(initial);
        });
        unary.on("status", ({ code, details, metadata: trailing }: grpc.StatusObject) => {
          reported.status = { code, details, metadata: exceptDate(trailing) };
          setImmediate(resolve, reported);
        });
        if (options.cancel) {
          const arrived = until("the call arrives", async () => servedBy.length > 0);
          void arrived.then(() => unary.cancel());
        }
      });
    }

    for (const [name, cookie, options, code] of calls) {
      it(`is the same for grpc-js: ${name}`, async () => {
        const pair = await start();

        const [fromFastPath, fromConnect] = await onBoth(pair, (server) =>
          call(server, cookie, options),
        );

        expect(fromFastPath).to.deep.equal(fromConnect);
        expect(fromFastPath.status?.code).to.equal(code);
        expectServedBy(pair, "fast-path");
      });
    }

    it("is the same for grpc-js: a deadline", async () => {
      const statuses = await onBoth(await start(), async (server) => {
        const { status } = await call(server, "wait", { deadline: Date.now() + 100 });
        return status?.code;
      });
      const { DEADLINE_EXCEEDED } = grpc.status;
      expect(statuses).to.deep.equal([DEADLINE_EXCEEDED, DEADLINE_EXCEEDED]);
    });

    it("sends the same responses to all kinds of requests at once on one connection", async () => {
      mock.timers.enable({ apis: ["setTimeout"] });
      const pair = await start();
      const rounds = 8;
      const many = Array.from({ length: rounds }, () => requests).flat();
      const exchanging = onBoth(pair, async (server) => {
        const tapped = await pairs.open(server);
        return Promise.all(
          many.map(async ([name, request]) => ({ name, ...(await exchange(tapped, request)) })),
        );
      });
      // The deadline passes when all calls that have a handler have reached it.
      await until("all are handled", async () =>
        [pair.fastPath, pair.connect].every(({ servedBy }) => servedBy.length === 4 * rounds),
      );
      mock.timers.tick(1000);
      const [fromFastPath, fromConnect] = await exchanging;

      for (const [index, observed] of fromFastPath.entries()) {
        expect(observed).to.deep.equal(fromConnect[index]);
      }
      expect(pair.connect.servedBy).not.to.include("fast-path");
      // A message, an error and a deadline; and gRPC-Web, which Connect serves.
      const byFastPath = pair.fastPath.servedBy.filter((by) => by === "fast-path");
      expect(byFastPath).to.have.length(3 * rounds);
      expect(pair.fastPath.servedBy).to.have.length(4 * rounds);
    });
  });
}

describe("fast path compared with Connect: other services and leaks", () => {
  const pairs = useFastPathPairs();
  afterEach(() => mock.timers.reset());

  function everyService(): StartOptions {
    const health = createHealth([SessionService.typeName]);
    health.setServing(true);
    const reflection = createReflection([SessionService, Health], []);
    return {
      routes(router) {
        router.service(SessionService, service);
        health.routes(router);
        reflection.routes(router);
      },
    };
  }

  const encode = <Desc extends DescMessage>(desc: Desc, init: MessageInitShape<Desc>) =>
    frame(toBinary(desc, create(desc, init)));
  const check = (named: string) => encode(HealthCheckRequestSchema, { service: named });
  const listServices = encode(ServerReflectionRequestSchema, {
    messageRequest: { case: "listServices", value: "" },
  });
  const reflectionPath = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const cases: [string, string, Buffer, Code | 0][] = [
    ["Check", "/grpc.health.v1.Health/Check", check(""), 0],
    ["Check of an unknown service", "/grpc.health.v1.Health/Check", check("no"), Code.NotFound],
    ["List", "/grpc.health.v1.Health/List", check(""), 0],
    ["Watch", "/grpc.health.v1.Health/Watch", check(""), Code.DeadlineExceeded],
    ["reflection", reflectionPath, listServices, 0],
  ];

  for (const [name, path, message, code] of cases) {
    it(`serves ${name} the same`, async () => {
      mock.timers.enable({ apis: ["setTimeout"] });
      const pair = await pairs.pair(everyService);
      let responding = 0;
      const comparing = pairs.compare(pair, {
        headers: { ":path": path, "grpc-timeout": "5S" },
        send: (stream) => {
          stream.once("data", () => {
            responding += 1;
          });
          sendBytes(message)(stream);
        },
      });
      if (name === "Watch") {
        // Only its deadline ends it.
        await until("both have begun to respond", async () => responding === 2);
        mock.timers.tick(5000);
      }
      const response = await comparing;
      expect(response.trailers).to.include(`grpc-status: ${code}`);
      if (name === "Watch") {
        expect(response.body.slice(10)).to.equal(
          Buffer.of(8, HealthCheckResponse_ServingStatus.SERVING).toString("hex"),
        );
      }
    });
  }

  it("leaks no call, stream or timer", async () => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const pair = await pairs.pair(() => ({ service }));
    for (const server of [pair.fastPath, pair.connect]) {
      const tapped = await pairs.open(server);
      // Connections have timers too.
      await exchange(tapped);
      const before = timers();
      const all = requests.map(([, request]) => exchange(tapped, request));
      const reset = { send: (stream: { close(code: number): void }) => stream.close(8) };
      await Promise.all([...all, exchange(tapped, reset)]);

      // Calls without a deadline of their own have timers that would go on for longer than this.
      await until("no timer is left", async () => timers() <= before);
      expect(await server.server.drain(0)).to.deep.equal({ forced: 0 });
    }
  });
});
