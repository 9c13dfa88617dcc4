import { once } from "node:events";
import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { expect } from "chai";
import { ValidateResponseSchema } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { exchange, sendMessage } from "../support/exchange.ts";
import { expectServedBy, onBoth, useFastPathPairs } from "../support/fast-path-pair.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import { frame, validateBytes } from "../support/transport.ts";
import { until } from "../support/until.ts";

const deadlineMs = 150;
const deadline = { "grpc-timeout": `${deadlineMs}m` };
/** Longer than the server waits after a deadline before it destroys the call. */
const destroyAfterMs = 10_000;
const never = () => new Promise<never>(() => {});
const reasonOf = (signal: AbortSignal) => once(signal, "abort").then(() => signal.reason);

type Handler = (context: HandlerContext) => Promise<object>;
const handlers: [string, Handler][] = [
  ["never responds", never],
  [
    "responds too late",
    async ({ signal }) => {
      await reasonOf(signal);
      await nextTurn();
      return {};
    },
  ],
  [
    "rejects with another error at the deadline",
    async ({ signal }) => {
      await reasonOf(signal);
      throw new ConnectError("late", Code.Internal);
    },
  ],
  [
    "rejects with the signal's reason",
    async ({ signal }) => {
      throw await reasonOf(signal);
    },
  ],
  [
    "has set headers and trailers",
    ({ responseHeader, responseTrailer }) => {
      responseHeader.set("x-header", "1");
      responseTrailer.set("x-trailer", "1");
      return never();
    },
  ],
];

const passThrough: Interceptor = (next) => (req) => next(req);
const mapError: Interceptor = (next) => (req) =>
  next(req).catch((error: unknown) => {
    throw new ConnectError(`mapped: ${ConnectError.from(error).rawMessage}`, Code.Aborted);
  });
// The response must be complete: Connect keeps none of the trailers that were set before.
const recover: Interceptor = (next) => (req) =>
  next(req).catch(
    (): never =>
      ({
        stream: false,
        service: req.service,
        method: req.method,
        header: new Headers({ "content-type": "application/grpc+proto" }),
        trailer: new Headers({ "grpc-status": "0", "x-rescued": "1" }),
        message: create(ValidateResponseSchema),
      }) as never,
  );
const noneOrOne: [string, Interceptor[]][] = [
  ["without interceptors", []],
  ["with one interceptor", [passThrough]],
];
const interceptorStacks: [string, Interceptor[], Code | 0][] = [
  ["without interceptors", [], Code.DeadlineExceeded],
  ["with one interceptor", [passThrough], Code.DeadlineExceeded],
  ["with two interceptors", [passThrough, passThrough], Code.DeadlineExceeded],
  ["with an interceptor that maps errors", [mapError], Code.Aborted],
  ["with an interceptor that responds instead", [recover], 0],
];

const good = frame(validateBytes("abc"));
const resets: [string, Buffer | undefined][] = [
  ["before the message", undefined],
  ["in the message's prefix", good.subarray(0, 3)],
  ["in the message", good.subarray(0, 7)],
  ["after the message", good],
];

describe("fast path compared with Connect: how calls end", () => {
  const pairs = useFastPathPairs();
  // Deadlines pass when the test lets them, once the calls have got as far as they must.
  const holdTimers = () => mock.timers.enable({ apis: ["setTimeout"] });
  afterEach(() => mock.timers.reset());

  for (const [stack, interceptors, code] of interceptorStacks) {
    for (const [name, handler] of handlers) {
      it(`sends the same response at the deadline ${stack}, if the handler ${name}`, async () => {
        holdTimers();
        const reasons: unknown[] = [];
        const pair = await pairs.pair(() => ({
          interceptors,
          service: {
            validate: (_, context) => {
              context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
              return handler(context);
            },
          },
        }));

        const comparing = pairs.compare(pair, { headers: deadline });
        await until("both have reached their handlers", async () =>
          [pair.fastPath, pair.connect].every(({ servedBy }) => servedBy.length === 1),
        );
        mock.timers.tick(deadlineMs);
        const response = await comparing;

        expectServedBy(pair, "fast-path");
        expect(response.trailers).to.include(`grpc-status: ${code}`);
        const codes = reasons.map((reason) => ConnectError.from(reason).code);
        expect(codes).to.deep.equal([Code.DeadlineExceeded, Code.DeadlineExceeded]);
      });
    }
  }

  it("destroys a call the same that has no response long after its deadline", async () => {
    holdTimers();
    let pending = 0;
    const hang = () => {
      pending += 1;
      return never();
    };
    const pair = await pairs.pair(() => ({ interceptors: [() => hang] }));
    const closed: string[] = [];
    const hanging = pairs.compare(pair, { headers: deadline });
    void hanging.then(() => closed.push("hanging"));
    await until("both hang", async () => pending === 2);
    mock.timers.tick(deadlineMs);
    // This one has a response. It must end before the other is destroyed, although its deadline
    // is later and its client never ends the request.
    const unread = pairs.compare(pair, {
      headers: { "grpc-timeout": "1m" },
      send: (stream) => stream.write(Buffer.of(0)),
    });
    void unread.then(() => closed.push("unread"));
    await until("it has its response", async () => {
      mock.timers.tick(1);
      return closed.length > 0;
    });
    expect(closed).to.deep.equal(["unread"]);
    mock.timers.tick(destroyAfterMs);
    expect((await hanging).headers).to.deep.equal([]);
    expect((await unread).error?.code).to.equal(Code.DeadlineExceeded);
    expectServedBy(pair);
  });

  /** A pair whose handlers respond only after `release`. */
  async function pendingPair(interceptors: Interceptor[]) {
    const fastPath = pendingHandler();
    const connect = pendingHandler();
    const pair = await pairs.pair((unaryFastPath) => ({
      interceptors,
      service: (unaryFastPath ? fastPath : connect).service,
    }));
    return {
      pair,
      started: Promise.all([fastPath.started, connect.started]),
      abortCodes: Promise.all(
        [fastPath, connect].map(async (handler) => ConnectError.from(await handler.aborted).code),
      ),
      release() {
        fastPath.release();
        connect.release();
      },
    };
  }

  for (const [stack, interceptors] of noneOrOne) {
    // Whatever the code, the client wants no response.
    for (const [reset, code] of Object.entries({ CANCEL: 8, REFUSED_STREAM: 7 })) {
      it(`tells the handler that the client has reset the call with ${reset}, ${stack}`, async () => {
        const { pair, started, abortCodes, release } = await pendingPair(interceptors);
        const cancelled = onBoth(pair, async (server) => {
          const tapped = await pairs.open(server);
          const observed = exchange(tapped, {
            send: (stream) => {
              sendMessage()(stream);
              void started.then(() => stream.close(code));
            },
          });
          return [await observed, (await exchange(tapped)).trailers];
        });

        expect(await abortCodes).to.deep.equal([Code.Canceled, Code.Canceled]);
        // A response after the client has gone must do no harm: the connection serves on.
        release();
        const [fromFastPath, fromConnect] = await cancelled;
        expect(fromFastPath).to.deep.equal(fromConnect);
        expectServedBy(pair, "fast-path", "fast-path");
      });
    }

    it(`lets a call finish that is in flight at a drain, ${stack}`, async () => {
      const { pair, started, release } = await pendingPair(interceptors);
      const [fromFastPath, fromConnect] = await onBoth(pair, async (server) => {
        const tapped = await pairs.open(server);
        const observed = exchange(tapped);
        await started;
        const goaway = once(tapped.session, "goaway");
        const drained = server.server.drain(60_000);
        const [errorCode, lastStream] = await goaway;
        release();
        return { observed: await observed, errorCode, lastStream, drained: await drained };
      });
      expect(fromFastPath).to.deep.equal(fromConnect);
      expect(fromFastPath.drained).to.deep.equal({ forced: 0 });
      expectServedBy(pair, "fast-path");
    });

    it(`aborts a call that outlasts the drain, ${stack}`, async () => {
      // No other time passes than the grace: the call has all that it needs to tell its client.
      holdTimers();
      const { pair, started, abortCodes } = await pendingPair(interceptors);
      let draining = 0;
      const [fromFastPath, fromConnect] = await onBoth(pair, async (server) => {
        const tapped = await pairs.open(server);
        const observed = exchange(tapped);
        await started;
        const drained = server.server.drain(10);
        draining += 1;
        if (draining === 2) mock.timers.tick(10);
        return { forced: (await drained).forced, observed: await observed };
      });
      expect(fromFastPath).to.deep.equal(fromConnect);
      expect(fromFastPath.forced).to.equal(1);
      expect(fromFastPath.observed.error?.code).to.equal(Code.Unavailable);
      expect(await abortCodes).to.deep.equal([Code.Unavailable, Code.Unavailable]);
      pairs.forget(pair);
    });
  }

  for (const [when, bytes] of resets) {
    for (const code of [0, 8, 2]) {
      it(`ends a call the same that the client resets with ${code} ${when}`, async () => {
        const pair = await pairs.pair();
        await pairs.compareAndServeNext(pair, {
          send: (stream) => {
            if (bytes === undefined) stream.close(code);
            else stream.write(bytes, () => stream.close(code));
          },
        });
        expect(pair.fastPath.servedBy.at(-1)).to.equal("fast-path");
      });
    }
  }
});
