import { setImmediate as nextTurn } from "node:timers/promises";
import { createContextKey } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { FairTurns } from "../../src/server/fair-turns.ts";
import { createInFlightCalls } from "../../src/server/in-flight-calls.ts";
import {
  encodeFrame,
  flag,
  frameType,
  grpcHeaders,
  hpackLiterals,
  RawHttp2,
} from "../support/raw-http2.ts";
import {
  frame,
  sendCall,
  useTransport,
  validateBytes,
  validatePath,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

describe("fair turns", () => {
  const [a, b] = [{}, {}];

  it("run a few tasks at once", () => {
    const ran: number[] = [];
    const turns = new FairTurns();
    const waits = [1, 2, 3].map((i) => turns.run(a, () => ran.push(i)));
    expect(ran).to.deep.equal([1, 2, 3]);
    expect(waits).to.deep.equal([false, false, false]);
  });

  it("spread many tasks over turns of the event loop, and run each once, in order", async () => {
    const ran: number[] = [];
    const turns = new FairTurns();
    for (let i = 0; i < 1000; i += 1) turns.run(a, () => ran.push(i));

    let most = ran.length;
    for (let before = ran.length; before < 1000; before = ran.length) {
      await nextTurn();
      most = Math.max(most, ran.length - before);
    }

    expect(most).to.be.within(1, 64);
    expect(ran).to.deep.equal(Array.from({ length: 1000 }, (_, i) => i));
  });

  it("do not let an owner with one task wait for one with many", async () => {
    const ran: string[] = [];
    const turns = new FairTurns();
    for (let i = 0; i < 1000; i += 1) turns.run(a, () => ran.push("a"));
    const before = ran.length;
    turns.run(b, () => ran.push("b"));

    await until("it has run", async () => ran.includes("b"));

    expect(ran.indexOf("b") - before).to.be.at.most(1);
  });

  it("run what a task adds, too", async () => {
    const turns = new FairTurns();
    let left = 500;
    const task = () => {
      left -= 1;
      if (left > 0) turns.run(a, task);
    };
    for (let i = 0; i < 40; i += 1) turns.run(b, () => {});
    turns.run(a, task);
    await until("all have run", async () => left === 0);
  });
});

describe("calls in flight", () => {
  it("do not run the task of a call that has ended while it waited", async () => {
    const calls = createInFlightCalls();
    const ran: number[] = [];
    const all = Array.from({ length: 100 }, () => ({ streaming: false, abort: () => {} }));
    for (const call of all) calls.add(call);
    for (const [i, call] of all.entries()) calls.soon(call, () => ran.push(i));
    const last = all.at(-1);
    if (last !== undefined) calls.delete(last);
    await until("the others have run", async () => ran.length === 99);
    await nextTurn();
    expect(ran).to.deep.equal(Array.from({ length: 99 }, (_, i) => i));
  });
});

describe("a connection that begins many calls at once", () => {
  const transport = useTransport();

  it("gets them all served, and does not delay others until then", async () => {
    const order: string[] = [];
    const server = await transport.start({
      limits: { maxConcurrentStreams: 1000 },
      service: {
        validate({ credential }) {
          order.push(credential.value as string);
          return {};
        },
      },
    });
    const other = await transport.http2(server);
    await sendCall(other, {}, frame(validateBytes("first"))).response;
    const flood = await RawHttp2.open({ port: server.port });
    transport.cleanups.push(() => flood.socket.destroy());
    await until("it may send", async () => flood.framesOf(frameType.settings).length > 1);
    const body = frame(validateBytes("flood"));
    const headers = hpackLiterals(grpcHeaders(validatePath));
    const calls = Array.from({ length: 500 }, () => {
      const id = flood.streamId();
      return Buffer.concat([
        encodeFrame(frameType.headers, flag.endHeaders, id, headers),
        encodeFrame(frameType.data, flag.endStream, id, body),
      ]);
    });

    flood.write(...calls);
    const { response } = sendCall(other, {}, frame(validateBytes("other")));

    expect((await response).grpcStatus).to.equal(grpc.status.OK);
    await until("all are served", async () => order.length === 502);
  });

  for (const [name, contentType] of Object.entries({
    gRPC: "application/grpc",
    "gRPC-Web": "application/grpc-web",
  })) {
    it(`has its handlers run in turns if all messages of ${name} come after all headers`, async () => {
      let begun = 0;
      let served = 0;
      /** How many handlers have run since the last turn, and the most. */
      let now = 0;
      let most = 0;
      const server = await transport.start({
        limits: { maxConcurrentStreams: 1000 },
        authentication: {
          authenticate: () => {
            begun += 1;
          },
          contextKey: createContextKey<unknown>(undefined),
        },
        service: {
          validate() {
            served += 1;
            if (now === 0) setImmediate(() => (now = 0));
            now += 1;
            most = Math.max(most, now);
            return {};
          },
        },
      });
      const flood = await RawHttp2.open({ port: server.port });
      transport.cleanups.push(() => flood.socket.destroy());
      await until("it may send", async () => flood.framesOf(frameType.settings).length > 1);
      const headers = hpackLiterals(
        grpcHeaders(validatePath).map(([key, value]) => [
          key,
          key === "content-type" ? contentType : value,
        ]),
      );
      const ids = Array.from({ length: 500 }, () => flood.streamId());
      flood.write(...ids.map((id) => encodeFrame(frameType.headers, flag.endHeaders, id, headers)));
      await until("all have begun", async () => begun === ids.length);
      const body = frame(validateBytes("flood"));
      flood.write(...ids.map((id) => encodeFrame(frameType.data, flag.endStream, id, body)));

      await until("all are served", async () => served === ids.length);
      expect(most).to.be.within(1, 64);
    });
  }

  it("may reset them before they are served", async () => {
    let served = 0;
    const server = await transport.start({
      limits: { maxConcurrentStreams: 1000 },
      service: {
        validate() {
          served += 1;
          return {};
        },
      },
    });
    const flood = await RawHttp2.open({ port: server.port });
    transport.cleanups.push(() => flood.socket.destroy());
    await until("it may send", async () => flood.framesOf(frameType.settings).length > 1);
    const headers = hpackLiterals(grpcHeaders(validatePath));
    const body = frame(validateBytes("flood"));
    const resets = Array.from({ length: 500 }, () => {
      const id = flood.streamId();
      return Buffer.concat([
        encodeFrame(frameType.headers, flag.endHeaders, id, headers),
        encodeFrame(frameType.data, flag.endStream, id, body),
        encodeFrame(frameType.rstStream, 0, id, Buffer.from([0, 0, 0, 8])),
      ]);
    });
    flood.write(...resets);
    flood.call(validatePath, body);
    await until("a call after them is served", async () => served > 0);
    expect(served).to.be.below(100);
  });
});
