import { once } from "node:events";
import { Code, ConnectError, createClient, createContextKey } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { CallObserver, ObservedCall } from "../../src/server/call-observer.ts";
import { exchange, type RawRequest, sendBytes } from "../support/exchange.ts";
import { failureOf } from "../support/expect-failure.ts";
import { useFastPathPairs } from "../support/fast-path-pair.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import {
  echo,
  frame,
  postJson,
  rawCall,
  type StartOptions,
  testLimits,
  validatePath,
  validateRequest,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

const RPC = "sessiond.v1.SessionService/Validate";
const MADE_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const noteKey = createContextKey("");

class Recorder implements CallObserver {
  observesSuccess = false;
  readonly calls: ObservedCall[] = [];

  callEnded(call: ObservedCall): void {
    this.calls.push(call);
  }

  async only(): Promise<ObservedCall> {
    await until("the call is observed", async () => this.calls.length > 0);
    expect(this.calls).to.have.length(1);
    return this.calls[0] as ObservedCall;
  }
}

describe("call observer", () => {
  const pairs = useFastPathPairs();
  let fastPath: Recorder;
  let connect: Recorder;

  beforeEach(() => {
    fastPath = new Recorder();
    connect = new Recorder();
  });

  const startPair = (options: StartOptions = {}) =>
    pairs.pair((unaryFastPath) => ({
      ...options,
      observer: unaryFastPath ? fastPath : connect,
    }));

  function bothObserved(): Promise<[ObservedCall, ObservedCall]> {
    return Promise.all([fastPath.only(), connect.only()]);
  }

  describe("unary gRPC, equal on both paths", () => {
    const defect = new Error("a defect");
    const denied = new ConnectError("no", Code.Unauthenticated, undefined, undefined, defect);
    const failures: [string, StartOptions, RawRequest, Code, unknown][] = [
      ["an error", { service: { validate: () => Promise.reject(denied) } }, {}, 16, defect],
      ["a defect", { service: { validate: () => Promise.reject(defect) } }, {}, 13, defect],
      [
        "bytes that are no message",
        {},
        { send: sendBytes(frame(Buffer.from([255]))) },
        3,
        undefined,
      ],
      [
        "a message above the limit",
        { limits: { maxMessageBytes: 100 } },
        { send: sendBytes(frame(Buffer.alloc(101))) },
        8,
        undefined,
      ],
      ["no message", {}, { send: sendBytes() }, 12, undefined],
      [
        "its deadline",
        { service: { validate: () => new Promise<never>(() => {}) } },
        { headers: { "grpc-timeout": "10m" } },
        4,
        undefined,
      ],
    ];

    for (const [what, options, request, code, cause] of failures) {
      it(`reports ${what}, with the request id of the trailers`, async () => {
        const pair = await startPair(options);
        const headers = { ...request.headers, "x-request-id": "mine-1" };
        const response = await pairs.compare(pair, { ...request, headers });
        expect(response.trailers).to.include("x-request-id: mine-1");
        // Clients that join headers and trailers would have it twice.
        expect(response.headers.join()).not.to.include("x-request-id");
        for (const call of await bothObserved()) {
          expect(call).to.include({ rpc: RPC, requestId: "mine-1" });
          expect(call.error?.code).to.equal(code);
          expect(call.error?.cause).to.equal(cause);
          expect(call.durationMs).to.be.within(0, 600_000);
        }
      });
    }

    it("makes an id for a failed call that has none", async () => {
      const options = { service: { validate: () => Promise.reject(denied) } };
      for (const [server, recorder] of pairRecorders(await startPair(options))) {
        const { trailers, headers } = await exchange(await pairs.open(server), {});
        const { requestId } = await recorder.only();
        expect(requestId).to.match(MADE_ID);
        expect(trailers).to.include(`x-request-id: ${requestId}`);
        expect(headers.join()).not.to.include("x-request-id");
      }
    });

    for (const unusable of ["a b", "x".repeat(129), "", "\u00e9"]) {
      it(`makes an id instead of ${JSON.stringify(unusable.slice(0, 5))}`, async () => {
        const headers = { "x-request-id": unusable };
        for (const [server, recorder] of pairRecorders(await startPair())) {
          recorder.observesSuccess = true;
          const response = await exchange(await pairs.open(server), { headers });
          const { requestId } = await recorder.only();
          expect(requestId).to.match(MADE_ID);
          expect(response.headers).to.include(`x-request-id: ${requestId}`);
        }
      });
    }

    it("accepts an id of up to 128 visible characters", async () => {
      const id = "~!".repeat(64);
      const pair = await startPair();
      const { headers } = await pairs.compare(pair, { headers: { "x-request-id": id } });
      expect(headers).to.include(`x-request-id: ${id}`);
    });

    it("returns a successful call's id without reporting the call", async () => {
      const pair = await startPair();
      const { headers, trailers } = await pairs.compare(pair, {
        headers: { "x-request-id": "mine-2" },
      });
      expect(headers).to.include("x-request-id: mine-2");
      expect(trailers).to.deep.equal(["grpc-status: 0"]);
      expect((await pairs.compare(pair)).headers.join()).not.to.include("x-request-id");
      expect(fastPath.calls.concat(connect.calls)).to.deep.equal([]);
    });

    it("reports successful calls, with the context's values, while it wants to know of them", async () => {
      const pair = await startPair({
        service: {
          validate: (request, context) => {
            context.values.set(noteKey, "noted");
            return echo.validate?.(request, context) as object;
          },
        },
      });
      await pairs.compare(pair);
      fastPath.observesSuccess = connect.observesSuccess = true;
      const headers = { "x-request-id": "mine-3" };
      await pairs.compare(pair, { headers });
      for (const call of await bothObserved()) {
        expect(call).to.include({ rpc: RPC, requestId: "mine-3", error: undefined });
        expect(call.values?.get(noteKey)).to.equal("noted");
      }
    });

    it("reports a client that goes away", async () => {
      const handlers = [pendingHandler(), pendingHandler()] as const;
      const pair = await pairs.pair((unaryFastPath) => ({
        service: handlers[unaryFastPath ? 0 : 1].service,
        observer: unaryFastPath ? fastPath : connect,
      }));
      const servers = [pair.fastPath, pair.connect];
      for (const [index, { started, release }] of handlers.entries()) {
        const { session } = await pairs.open(servers[index] as typeof pair.connect);
        const call = rawCall(session);
        call.stream.end(frame(Buffer.from([10, 1, 97])));
        await started;
        call.stream.close(8);
        await [fastPath, connect][index]?.only();
        release();
      }
      for (const call of await bothObserved()) {
        expect(call.rpc).to.equal(RPC);
        expect(call.error?.code).to.equal(Code.Canceled);
      }
    });

    it("has no request ids without an observer", async () => {
      const pair = await pairs.pair(() => ({}));
      const headers = { "x-request-id": "mine-4" };
      const response = await pairs.compare(pair, { headers, send: sendBytes() });
      expect([...response.headers, ...response.trailers].join()).not.to.include("x-request-id");
    });

    function pairRecorders(pair: Awaited<ReturnType<typeof startPair>>) {
      return [
        [pair.fastPath, fastPath],
        [pair.connect, connect],
      ] as const;
    }
  });

  describe("other protocols", () => {
    const service: StartOptions["service"] = {
      validate: () => Promise.reject(new ConnectError("no", Code.NotFound)),
    };

    it("Connect: reports the failure, with the request id of the headers", async () => {
      const server = await pairs.start({ service, observer: connect });
      const response = await postJson(server, "{}", { headers: { "x-request-id": "mine-5" } });
      expect(response.status).to.equal(404);
      expect(response.headers.get("x-request-id")).to.equal("mine-5");
      expect(await response.json()).to.deep.include({ code: "not_found", message: "no" });
      const call = await connect.only();
      expect(call).to.include({ rpc: RPC, requestId: "mine-5" });
      expect(call.error?.code).to.equal(Code.NotFound);
    });

    it("Connect: reports JSON that is no message, and a content type that is none", async () => {
      const server = await pairs.start({ observer: connect });
      const undecodable = await postJson(server, "[");
      const other = await postJson(server, "x", { headers: { "content-type": "text/plain" } });
      await until("both are observed", async () => connect.calls.length === 2);
      for (const [index, response] of [undecodable, other].entries()) {
        await response.arrayBuffer();
        const call = connect.calls[index];
        expect(call?.error?.code).to.equal(Code.InvalidArgument);
        expect(response.headers.get("x-request-id")).to.equal(call?.requestId);
      }
    });

    it("Connect: reports a successful call only if asked to", async () => {
      const server = await pairs.start({ observer: connect });
      expect((await postJson(server, "{}")).headers.has("x-request-id")).to.equal(false);
      connect.observesSuccess = true;
      const response = await postJson(server, "{}");
      const call = await connect.only();
      expect(call.error).to.equal(undefined);
      expect(response.headers.get("x-request-id")).to.equal(call.requestId);
    });

    it("gRPC-Web: reports the failure, with the request id of the trailers", async () => {
      const server = await pairs.start({ service, observer: connect });
      const transport = createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1" });
      const client = createClient(SessionService, transport);
      const error = await failureOf(client.validate(validateRequest("a")));
      const call = await connect.only();
      expect(call.rpc).to.equal(RPC);
      expect(call.error?.code).to.equal(Code.NotFound);
      expect(error.metadata.get("x-request-id")).to.equal(call.requestId);
    });

    it("reports the failure of a stream with what its handler threw", async () => {
      const defect = new Error("a defect");
      const server = await pairs.start({
        observer: connect,
        routes: (router) =>
          router.service(Health, {
            // biome-ignore lint/correctness/useYield: it fails before
            async *watch() {
              throw defect;
            },
          }),
      });
      const transport = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
      const watching = createClient(Health, transport).watch({});
      const error = await failureOf(watching[Symbol.asyncIterator]().next());
      expect(error.code).to.equal(Code.Internal);
      const call = await connect.only();
      expect(call.rpc).to.equal("grpc.health.v1.Health/Watch");
      expect(call.error?.code).to.equal(Code.Internal);
      expect(call.error?.cause).to.equal(defect);
      expect(error.metadata.get("x-request-id")).to.equal(call.requestId);
    });

    it("reports an unknown method", async () => {
      const server = await pairs.start({ observer: connect });
      const session = await pairs.http2(server);
      const { stream, response } = rawCall(session, { ":path": "/no.such/Method" });
      stream.end();
      expect((await response).grpcStatus).to.equal(Code.Unimplemented);
      const call = await connect.only();
      expect(call.rpc).to.equal(undefined);
      expect(call.error?.code).to.equal(Code.Unimplemented);
    });
  });

  describe("requests that no handler gets", () => {
    const { maxHeaderBytes } = testLimits;
    const long = { "x-long": "a".repeat(maxHeaderBytes) };
    const many = Object.fromEntries(Array.from({ length: 130 }, (_, i) => [`x-${i}`, "a"]));
    const ID = { "x-request-id": "mine-6" };

    for (const [what, headers] of [
      ["too large", long],
      ["too many", many],
    ] as const) {
      it(`HTTP/2: reports headers that are ${what}, with the request id`, async () => {
        const server = await pairs.start({ observer: connect });
        const session = await pairs.http2(server);
        const { stream } = rawCall(session, { ...headers, ...ID });
        const [received] = await once(stream, "response");
        stream.close();
        expect(received).to.include({ "grpc-status": "8", "x-request-id": "mine-6" });
        const call = await connect.only();
        expect(call).to.include({ rpc: RPC, requestId: "mine-6" });
        expect(call.error?.code).to.equal(Code.ResourceExhausted);
      });
    }

    it("HTTP/1.1: reports headers that are too many", async () => {
      const server = await pairs.start({ observer: connect });
      const response = await postJson(server, "{}", { headers: { ...many, ...ID } });
      await response.arrayBuffer();
      expect(response.status).to.equal(431);
      expect(response.headers.get("x-request-id")).to.equal("mine-6");
      const call = await connect.only();
      expect(call).to.include({ rpc: RPC, requestId: "mine-6" });
      expect(call.error?.code).to.equal(Code.ResourceExhausted);
    });

    it("HTTP/1.1: reports headers that the parser refuses, with an id of its own", async () => {
      const server = await pairs.start({ observer: connect });
      const response = await postJson(server, "{}", { headers: { ...long, ...ID } });
      await response.arrayBuffer();
      expect(response.status).to.equal(431);
      const call = await connect.only();
      expect(call.rpc).to.equal(undefined);
      expect(call.requestId).to.match(MADE_ID);
      expect(response.headers.get("x-request-id")).to.equal(call.requestId);
      expect(call.error?.code).to.equal(Code.ResourceExhausted);
    });

    it("HTTP/1.1: reports a host that is none", async () => {
      const server = await pairs.start({ observer: connect });
      const socket = pairs.connect(server);
      const lines = [`POST ${validatePath} HTTP/1.1`, "Host: a b", "X-Request-Id: mine-6"];
      socket.end(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
      const response = Buffer.concat(await Array.fromAsync(socket)).toString();
      expect(response).to.match(/^HTTP\/1\.1 400 /);
      expect(response.toLowerCase()).to.include("x-request-id: mine-6\r\n");
      const call = await connect.only();
      expect(call).to.include({ rpc: RPC, requestId: "mine-6" });
      expect(call.error?.code).to.equal(Code.InvalidArgument);
    });

    it("does not name a method that does not exist, which a caller could choose", async () => {
      const server = await pairs.start({ observer: connect });
      const session = await pairs.http2(server);
      const { stream } = rawCall(session, { ...long, ":path": "/no.such/Method" });
      await once(stream, "response");
      stream.close();
      expect((await connect.only()).rpc).to.equal(undefined);
    });
  });
});
