import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { expect } from "chai";
import { ValidateResponseSchema } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { exchange, sendMessage } from "../support/exchange.ts";
import { type FastPathPair, useFastPathPairs, type Way } from "../support/fast-path-pair.ts";
import { frame, validateBytes } from "../support/transport.ts";

const deadline = { "grpc-timeout": "150m" };
const never = () => new Promise<never>(() => {});
const untilAborted = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) =>
    signal.addEventListener("abort", () => resolve(signal.reason), { once: true }),
  );

type Handler = (context: HandlerContext) => Promise<object>;
const handlers: [string, Handler][] = [
  ["never answers", never],
  [
    "answers too late",
    async ({ signal }) => {
      await untilAborted(signal);
      await nextTurn();
      return {};
    },
  ],
  [
    "rejects with another error at the deadline",
    async ({ signal }) => {
      await untilAborted(signal);
      throw new ConnectError("late", Code.Internal);
    },
  ],
  [
    "rejects with the signal's reason",
    async ({ signal }) => {
      throw await untilAborted(signal);
    },
  ],
  [
    "had set headers and trailers",
    ({ responseHeader, responseTrailer }) => {
      responseHeader.set("x-header", "1");
      responseTrailer.set("x-trailer", "1");
      return never();
    },
  ],
];

const passing: Interceptor = (next) => (req) => next(req);
const mapping: Interceptor = (next) => (req) =>
  next(req).catch((error: unknown) => {
    throw new ConnectError(`mapped: ${ConnectError.from(error).rawMessage}`, Code.Aborted);
  });
// What it answers has to be whole: Connect leaves nothing of the trailers that there were.
const answering: Interceptor = (next) => (req) =>
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
const stacks: [string, Interceptor[], Code | 0][] = [
  ["without interceptors", [], Code.DeadlineExceeded],
  ["with one", [passing], Code.DeadlineExceeded],
  ["with two", [passing, passing], Code.DeadlineExceeded],
  ["with one that maps errors", [mapping], Code.Aborted],
  ["with one that answers instead", [answering], 0],
];

describe("the fast path against Connect: how calls end", () => {
  const pairs = useFastPathPairs();

  for (const [stack, interceptors, code] of stacks) {
    for (const [name, handler] of handlers) {
      it(`meets the deadline alike ${stack}, where the handler ${name}`, async () => {
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

        const answer = await pairs.compare(pair, { headers: deadline });

        expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
        expect(answer.trailers.some((line) => line === `grpc-status: ${code}`)).to.equal(true);
        expect(reasons.map((reason) => ConnectError.from(reason).code)).to.deep.equal([
          Code.DeadlineExceeded,
          Code.DeadlineExceeded,
        ]);
      });
    }
  }

  it("cuts off alike what still hangs after the deadline", async () => {
    const pair = await pairs.pair(() => ({ interceptors: [() => never] }));
    const closed: string[] = [];
    const hanging = pairs.compare(pair, { headers: deadline });
    // It is answered, and must not wait to be cut off like the other, although its deadline is
    // later and its client never ends it.
    const unread = pairs.compare(pair, {
      headers: { "grpc-timeout": "500m" },
      send: (stream) => stream.write(Buffer.of(0)),
    });
    await Promise.all([
      hanging.then(() => closed.push("hanging")),
      unread.then(() => closed.push("unread")),
    ]);
    expect((await hanging).headers).to.deep.equal([]);
    expect((await unread).error?.code).to.equal(Code.DeadlineExceeded);
    expect(closed).to.deep.equal(["unread", "hanging"]);
    expect(pair.fastPath.servedBy).to.deep.equal([]);
  });

  /** Calls that have begun and wait; `ended` has the reasons of their signals. */
  async function waiting(interceptors: Interceptor[] = []) {
    const started: Record<"fastPath" | "connect", PromiseWithResolvers<void>> = {
      fastPath: Promise.withResolvers(),
      connect: Promise.withResolvers(),
    };
    const ended: Record<"fastPath" | "connect", PromiseWithResolvers<unknown>> = {
      fastPath: Promise.withResolvers(),
      connect: Promise.withResolvers(),
    };
    const release = Promise.withResolvers<void>();
    const pair = await pairs.pair((unaryFastPath) => ({
      interceptors,
      service: {
        validate: async (_, { signal }) => {
          const way = unaryFastPath ? "fastPath" : "connect";
          void untilAborted(signal).then(ended[way].resolve);
          started[way].resolve();
          await release.promise;
          return {};
        },
      },
    }));
    return {
      pair,
      release: release.resolve,
      started: Promise.all([started.fastPath.promise, started.connect.promise]),
      ended: Promise.all([ended.fastPath.promise, ended.connect.promise]),
    };
  }

  const both = <T>(pair: FastPathPair, use: (way: Way) => Promise<T>) =>
    Promise.all([use(pair.fastPath), use(pair.connect)]);

  for (const [stack, interceptors] of [
    ["without interceptors", []],
    ["with one", [passing]],
  ] as const) {
    it(`tells the handler alike that the client has cancelled, ${stack}`, async () => {
      const { pair, started, ended, release } = await waiting([...interceptors]);
      const cancelled = both(pair, async (way) => {
        const tapped = await pairs.open(way);
        const observed = exchange(tapped, {
          send: (stream) => {
            sendMessage()(stream);
            void started.then(() => stream.close(8));
          },
        });
        return [await observed, (await exchange(tapped)).trailers];
      });

      const [byFastPath, byConnect] = (await ended).map((reason) => ConnectError.from(reason).code);
      expect(byFastPath).to.equal(Code.Canceled).and.to.equal(byConnect);
      // What answers when its client has gone must do no harm; the connection serves on.
      release();
      const [onFastPath, atConnect] = await cancelled;
      expect(onFastPath).to.deep.equal(atConnect);
      expect(pair.fastPath.servedBy).to.deep.equal(["fast-path", "fast-path"]);
    });

    it(`lets a call finish alike that is in flight when the server drains, ${stack}`, async () => {
      const { pair, started, release } = await waiting([...interceptors]);
      const [byFastPath, byConnect] = await both(pair, async (way) => {
        const tapped = await pairs.open(way);
        const observed = exchange(tapped);
        await started;
        const goaway = once(tapped.session, "goaway");
        const drained = way.server.drain(10_000);
        const [errorCode, lastStream] = await goaway;
        release();
        return [await observed, errorCode, lastStream, await drained];
      });
      expect(byFastPath).to.deep.equal(byConnect);
      expect(byFastPath?.[3]).to.deep.equal({ forced: 0 });
      expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
    });
  }

  for (const [stack, interceptors] of [
    ["without interceptors", []],
    ["with one", [passing]],
  ] as const) {
    it(`ends a call alike that outlasts the drain, ${stack}`, async () => {
      const { pair, started, ended } = await waiting([...interceptors]);
      const [byFastPath, byConnect] = await both(pair, async (way) => {
        const tapped = await pairs.open(way);
        const observed = exchange(tapped);
        await started;
        const { forced } = await way.server.drain(10);
        return { forced, observed: await observed };
      });
      expect(byFastPath).to.deep.equal(byConnect);
      expect(byFastPath?.forced).to.equal(1);
      expect(byFastPath?.observed.error?.code).to.equal(Code.Unavailable);
      for (const reason of await ended) {
        expect(ConnectError.from(reason).code).to.equal(Code.Unavailable);
      }
      pairs.forget(pair);
    });
  }

  const good = frame(validateBytes("abc"));
  const resets: [string, Buffer | undefined][] = [
    ["before the message", undefined],
    ["in the message's prefix", good.subarray(0, 3)],
    ["in the message", good.subarray(0, 7)],
    ["after the message", good],
  ];
  for (const [when, bytes] of resets) {
    for (const code of [0, 8, 2]) {
      it(`is quiet alike where the client resets with ${code} ${when}`, async () => {
        const pair = await pairs.pair();
        const [byFastPath, byConnect] = await both(pair, async (way) => {
          const tapped = await pairs.open(way);
          const reset = await exchange(tapped, {
            send: (stream) => {
              if (bytes === undefined) stream.close(code);
              else stream.write(bytes, () => stream.close(code));
            },
          });
          return [reset, (await exchange(tapped)).trailers];
        });
        expect(byFastPath).to.deep.equal(byConnect);
        expect(byFastPath?.[1]).to.deep.equal(["grpc-status: 0"]);
        expect(pair.fastPath.servedBy.at(-1)).to.equal("fast-path");
      });
    }
  }
});
