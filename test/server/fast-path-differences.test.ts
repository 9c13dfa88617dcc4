import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { expect } from "chai";
import {
  type SessionService,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { exchange, type Observed } from "../support/exchange.ts";
import { onBoth, useFastPathPairs } from "../support/fast-path-pair.ts";

type Validate = ServiceImpl<typeof SessionService>["validate"];

/**
 * All known differences between the fast path and Connect, with their reasons. Only an unusual
 * handler causes them, as none of sessiond's is; no request can.
 */
describe("fast path: differences from Connect", () => {
  const pairs = useFastPathPairs();

  /** Calls both servers. `reported` has the errors that the one with the fast path reported. */
  async function callBoth(validate: Validate) {
    const reported: string[] = [];
    const pair = await pairs.pair((unaryFastPath) => ({
      service: { validate },
      onError: (error) => unaryFastPath && reported.push(String(error)),
    }));
    const [fastPath, connect] = await onBoth(pair, async (server) =>
      exchange(await pairs.open(server)),
    );
    expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
    return { fastPath, connect, reported };
  }

  const statusOf = ({ trailers }: Observed) =>
    trailers.find((line) => line.startsWith("grpc-status"));

  it("fails a call whose handler throws undefined; Connect sends OK and no message", async () => {
    const { fastPath, connect } = await callBoth(() => Promise.reject(undefined));
    expect(fastPath.error?.code).to.equal(Code.Internal);
    expect(statusOf(connect)).to.equal("grpc-status: 0");
    expect(connect.body).to.equal("");
  });

  it("blames the handler, not the client, for a message with half a surrogate pair", async () => {
    const { fastPath, connect, reported } = await callBoth(() => {
      throw new ConnectError("half: \ud83d", Code.NotFound);
    });
    expect(fastPath.error?.code).to.equal(Code.Internal);
    expect(connect.error?.code).to.equal(Code.InvalidArgument);
    expect(reported).to.have.length(1);
  });

  it("sends a status if details cannot be encoded; Connect resets the stream", async () => {
    const { fastPath, connect, reported } = await callBoth(() => {
      const error = new ConnectError("no", Code.NotFound);
      error.details.push({ desc: ValidateResponseSchema, value: { secondsLeft: -1 } });
      throw error;
    });
    expect(fastPath.error?.code).to.equal(Code.Internal);
    expect(statusOf(connect)).to.equal(undefined);
    expect(reported).to.have.length(1);
  });

  it("keeps a handler's message that looks like one of Connect", async () => {
    const { fastPath, connect } = await callBoth(() => {
      throw new ConnectError("parse binary: mine", Code.Internal);
    });
    expect(fastPath.error).to.include({ code: Code.Internal, message: "parse binary: mine" });
    expect(connect.error?.code).to.equal(Code.InvalidArgument);
  });

  it("sends a grpc-message next to OK unchanged; Connect's is encoded again", async () => {
    const { fastPath, connect } = await callBoth((_, { responseTrailer }) => {
      responseTrailer.set("grpc-message", "a%20b");
      return {};
    });
    expect(fastPath.trailers).to.include("grpc-message: a%20b");
    expect(connect.trailers).to.include("grpc-message: a b");
  });

  // Aborting a controller costs 1.5 µs, and after the response nobody uses the signal.
  it("does not fire the signal after a response; Connect does", async () => {
    const signals: AbortSignal[] = [];
    const pair = await pairs.pair((unaryFastPath) => ({
      service: {
        validate: (_, { signal }) => {
          signals[unaryFastPath ? 0 : 1] = signal;
          return {};
        },
      },
    }));
    await onBoth(pair, async (server) => exchange(await pairs.open(server)));
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([false, true]);
  });
});
