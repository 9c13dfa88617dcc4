import { AsyncLocalStorage } from "node:async_hooks";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import type { CallMeter, MethodMeter } from "../../src/server/call-meter.ts";
import type { CallTracer, TracedCall } from "../../src/server/call-tracer.ts";
import { exchange, type RawRequest, sendBytes } from "../support/exchange.ts";
import { onBoth, useFastPathPairs } from "../support/fast-path-pair.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import { frame, postJson, rawCall, type StartOptions } from "../support/transport.ts";
import { until } from "../support/until.ts";

const RPC = "sessiond.v1.SessionService/Validate";
const UNKNOWN = "unknown";

type Ended = readonly [rpc: string, code: Code | undefined];

class Recorder implements CallMeter, CallTracer {
  readonly metered: Ended[] = [];
  readonly durations: (number | undefined)[] = [];
  readonly started: TracedCall[] = [];
  readonly spans: Ended[] = [];
  readonly current = new AsyncLocalStorage<TracedCall>();
  readonly unknown = this.method(UNKNOWN);

  method(rpc: string): MethodMeter {
    return {
      ended: (code, durationMs) => {
        if (durationMs !== undefined) expect(durationMs).to.be.within(0, 600_000);
        this.durations.push(durationMs);
        this.metered.push([rpc, code]);
      },
    };
  }

  start(call: TracedCall) {
    this.started.push(call);
    return {
      run: <T>(work: () => T): T => this.current.run(call, work),
      end: (error: ConnectError | undefined) => {
        this.spans.push([call.rpc, error?.code]);
      },
    };
  }
}

describe("call meter and tracer", () => {
  const pairs = useFastPathPairs();

  async function startPair(options: StartOptions = {}) {
    const recorders = { fastPath: new Recorder(), connect: new Recorder() };
    const pair = await pairs.pair((unaryFastPath) => {
      const recorder = unaryFastPath ? recorders.fastPath : recorders.connect;
      return { ...options, meter: recorder, tracer: recorder };
    });
    return { pair, both: [recorders.fastPath, recorders.connect] as const };
  }

  const denied = new ConnectError("no", Code.Unauthenticated);
  const cases: [string, StartOptions, RawRequest, Code | undefined][] = [
    ["a successful call", {}, {}, undefined],
    ["an error", { service: { validate: () => Promise.reject(denied) } }, {}, 16],
    ["bytes that are no message", {}, { send: sendBytes(frame(Buffer.from([255]))) }, 3],
    ["a compressed message", {}, { send: sendBytes(frame(Buffer.from([1]), 1)) }, 13],
    [
      "a response that cannot be sent",
      {
        service: {
          validate(_request, { responseHeader }) {
            responseHeader.set("connection", "close");
            return {};
          },
        },
      },
      {},
      13,
    ],
    [
      "its deadline",
      { service: { validate: () => new Promise<never>(() => {}) } },
      { headers: { "grpc-timeout": "10m" } },
      4,
    ],
    [
      "a caller that is refused",
      {
        authentication: {
          contextKey: { id: Symbol("caller"), defaultValue: undefined },
          authenticate: () => Promise.reject(denied),
        },
      },
      {},
      16,
    ],
  ];

  for (const [what, options, request, code] of cases) {
    it(`count and trace ${what} once, equal on both paths`, async () => {
      const { pair, both } = await startPair(options);
      // Else each server makes a request id of its own.
      const headers = { ...request.headers, "x-request-id": "mine" };
      await pairs.compare(pair, { ...request, headers });
      for (const recorder of both) {
        await until("the call has ended", async () => recorder.spans.length > 0);
        expect(recorder.metered).to.deep.equal([[RPC, code]]);
        expect(recorder.durations[0]).to.be.a("number");
        expect(recorder.spans).to.deep.equal([[RPC, code]]);
        expect(recorder.started).to.have.length(1);
        expect(recorder.started[0]).to.include({ rpc: RPC, protocol: "grpc" });
        expect(recorder.started[0]?.rawHeaders).to.include("content-type");
        expect(recorder.started[0]?.peer.address).to.equal("127.0.0.1");
      }
    });
  }

  it("run the handler in the context of its span", async () => {
    let recorders: readonly Recorder[] = [];
    const seen: (string | undefined)[] = [];
    const { pair, both } = await startPair({
      service: {
        async validate() {
          await Promise.resolve();
          for (const { current } of recorders) seen.push(current.getStore()?.rpc);
          return {};
        },
      },
    });
    recorders = both;
    await onBoth(pair, async (server) => exchange(await pairs.open(server)));
    expect(seen.filter((rpc) => rpc !== undefined)).to.deep.equal([RPC, RPC]);
    expect(seen).to.have.length(4);
  });

  it("count a client that goes away as Canceled", async () => {
    const handlers = [pendingHandler(), pendingHandler()] as const;
    const recorders = [new Recorder(), new Recorder()] as const;
    const pair = await pairs.pair((unaryFastPath) => ({
      service: handlers[unaryFastPath ? 0 : 1].service,
      meter: recorders[unaryFastPath ? 0 : 1],
    }));
    for (const [index, { started, release }] of handlers.entries()) {
      const { session } = await pairs.open([pair.fastPath, pair.connect][index] as never);
      const call = rawCall(session);
      call.stream.end(frame(Buffer.from([10, 1, 97])));
      await started;
      call.stream.close(8);
      const recorder = recorders[index] as Recorder;
      await until("the call is counted", async () => recorder.metered.length > 0);
      expect(recorder.metered).to.deep.equal([[RPC, Code.Canceled]]);
      release();
    }
  });

  it("count a call in JSON, and trace it as one of Connect", async () => {
    const recorder = new Recorder();
    const server = await pairs.start({ meter: recorder, tracer: recorder });
    const response = await postJson(server, "{}");
    expect(response.headers.has("x-request-id")).to.equal(false);
    await response.arrayBuffer();
    await until("the call is counted", async () => recorder.metered.length > 0);
    expect(recorder.metered).to.deep.equal([[RPC, undefined]]);
    expect(recorder.started[0]).to.include({ rpc: RPC, protocol: "connectrpc" });
  });

  it("count requests for methods that do not exist together, and never trace them", async () => {
    const recorder = new Recorder();
    const server = await pairs.start({ meter: recorder, tracer: recorder });
    const session = await pairs.http2(server);
    for (const path of ["/no.such/Method", "/sessiond.v1.SessionService/Nothing"]) {
      const { stream, response } = rawCall(session, { ":path": path });
      stream.end();
      await response;
    }
    const ended = [UNKNOWN, Code.Unimplemented];
    expect(recorder.metered).to.deep.equal([ended, ended]);
    expect(recorder.started).to.deep.equal([]);
  });

  it("count a request with too many headers for its method, without a time", async () => {
    const recorder = new Recorder();
    const server = await pairs.start({ meter: recorder });
    const session = await pairs.http2(server);
    const many = Object.fromEntries(Array.from({ length: 130 }, (_, i) => [`x-${i}`, "a"]));
    const { stream, response } = rawCall(session, many);
    stream.end();
    await response;
    expect(recorder.metered).to.deep.equal([[RPC, Code.ResourceExhausted]]);
    expect(recorder.durations).to.deep.equal([undefined]);
  });
});

describe("state of the server", () => {
  const pairs = useFastPathPairs();

  it("has connections by HTTP version, streams and calls, and nothing afterwards", async () => {
    const { service, started, release } = pendingHandler();
    const server = await pairs.start({ service });
    const socket = pairs.connect(server);
    await until("the connection is open", async () => server.state().connections.undecided === 1);
    const session = await pairs.http2(server);
    const { stream, response } = rawCall(session);
    stream.end(frame(Buffer.from([10, 1, 97])));
    await started;
    const { connections, ...state } = server.state();
    expect(connections).to.deep.equal({ http1: 0, http2: 1, undecided: 1 });
    expect(state).to.deep.equal({
      http2Streams: 1,
      callsInFlight: 1,
      streamingCalls: 0,
      waitingForTurn: 0,
    });
    socket.end("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until("it is HTTP/1.1", async () => server.state().connections.undecided === 0);
    release();
    await response;
    session.close();
    socket.resume();
    await until("both are closed", async () => {
      const { http1, http2 } = server.state().connections;
      return http1 + http2 === 0;
    });
    expect(server.state()).to.include({ http2Streams: 0, callsInFlight: 0 });
  });
});
