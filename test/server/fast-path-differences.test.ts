import { once } from "node:events";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { expect } from "chai";
import {
  type SessionService,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { exchange, type Observed } from "../support/exchange.ts";
import { useFastPathPairs, type Way } from "../support/fast-path-pair.ts";

type Validate = ServiceImpl<typeof SessionService>["validate"];

/**
 * All in which the fast path is known to differ from Connect, each with its reason. It takes a handler
 * that does what none of sessiond's does; no request of a client alone can bring it about.
 */
describe("where the fast path differs from Connect", () => {
  const pairs = useFastPathPairs();

  async function both(validate: Validate) {
    const reported: string[] = [];
    const pair = await pairs.pair((unaryFastPath) => ({
      service: { validate },
      onError: (error) => unaryFastPath && reported.push(String(error)),
    }));
    const answerOf = async (way: Way) => exchange(await pairs.open(way));
    const [fastPath, connect] = [await answerOf(pair.fastPath), await answerOf(pair.connect)];
    expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
    return { fastPath, connect, reported };
  }

  const statusOf = ({ trailers }: Observed) =>
    trailers.find((line) => line.startsWith("grpc-status"));

  it("a handler that throws undefined has failed; Connect sends OK without a message", async () => {
    const { fastPath, connect } = await both(() => Promise.reject(undefined));
    expect(fastPath.error?.code).to.equal(Code.Internal);
    expect(statusOf(connect)).to.equal("grpc-status: 0");
    expect(connect.body).to.equal("");
  });

  it("a message with half a surrogate pair is the handler's fault, not the client's", async () => {
    const { fastPath, connect, reported } = await both(() => {
      throw new ConnectError("half: \ud83d", Code.NotFound);
    });
    expect(fastPath.error?.code).to.equal(Code.Internal);
    expect(connect.error?.code).to.equal(Code.InvalidArgument);
    expect(reported).to.have.length(1);
  });

  it("details that cannot be encoded still leave a status; Connect resets the stream", async () => {
    const { fastPath, connect, reported } = await both(() => {
      const error = new ConnectError("no", Code.NotFound);
      error.details.push({ desc: ValidateResponseSchema, value: { secondsLeft: -1 } });
      throw error;
    });
    expect(fastPath.error?.code).to.equal(Code.Internal);
    expect(statusOf(connect)).to.equal(undefined);
    expect(reported).to.have.length(1);
  });

  it("words of a handler that sound like Connect's own are left as they are", async () => {
    const { fastPath, connect } = await both(() => {
      throw new ConnectError("parse binary: mine", Code.Internal);
    });
    expect(fastPath.error).to.include({ code: Code.Internal, message: "parse binary: mine" });
    expect(connect.error?.code).to.equal(Code.InvalidArgument);
  });

  it("a grpc-message beside success is sent as it is; Connect's is encoded anew", async () => {
    const { fastPath, connect } = await both((_, { responseTrailer }) => {
      responseTrailer.set("grpc-message", "a%20b");
      return {};
    });
    expect(fastPath.trailers).to.include("grpc-message: a%20b");
    expect(connect.trailers).to.include("grpc-message: a b");
  });

  // Node's own request and response, which Connect uses, drop this one name with a warning.
  it("a connection header ends the call like any other that HTTP/2 forbids", async () => {
    const { fastPath, reported } = await both((_, { responseHeader }) => {
      responseHeader.set("connection", "close");
      return {};
    });
    expect(fastPath.headers).to.deep.equal([]);
    expect(reported).to.have.length(1);
  });

  for (const name of ["connection", "transfer-encoding"]) {
    // Not compared: there it is an uncaught exception.
    it(`a trailer ${name} ends the call and nothing else`, async () => {
      const reported: string[] = [];
      const { fastPath } = await pairs.pair(() => ({
        service: {
          validate: (_, { responseTrailer }) => {
            responseTrailer.set(name, "close");
            return {};
          },
        },
        onError: (error) => reported.push(String(error)),
      }));
      const tapped = await pairs.open(fastPath);
      expect(statusOf(await exchange(tapped))).to.equal(undefined);
      expect((await exchange(tapped)).headers).not.to.deep.equal([]);
      expect(reported).to.have.length(2);
    });
  }

  /** The signals of a call, when it is over for the client. */
  async function signals(end: (close: (code: number) => void) => void) {
    const seen: Record<string, AbortSignal> = {};
    const started = Promise.withResolvers<void>();
    const pair = await pairs.pair((unaryFastPath) => ({
      service: {
        validate: (_, { signal }) => {
          seen[unaryFastPath ? "fastPath" : "connect"] = signal;
          if (Object.keys(seen).length === 2) started.resolve();
          return end === answered ? {} : once(signal, "abort").then(() => ({}));
        },
      },
    }));
    const calls = [pair.fastPath, pair.connect].map(async (way) =>
      exchange(await pairs.open(way), {
        send: (stream) => {
          stream.end(Buffer.alloc(5));
          if (end !== answered) void started.promise.then(() => end((code) => stream.close(code)));
        },
      }),
    );
    await Promise.all(calls);
    for (const signal of Object.values(seen)) {
      if (end !== answered && !signal.aborted) await once(signal, "abort");
    }
    return { fastPath: seen.fastPath as AbortSignal, connect: seen.connect as AbortSignal };
  }

  const answered = () => {};

  // To abort a controller costs 1.5 microseconds of each call. Nothing here outlives its answer.
  it("the signal of a call that was answered stays silent; Connect's fires", async () => {
    const { fastPath, connect } = await signals(answered);
    expect([fastPath.aborted, connect.aborted]).to.deep.equal([false, true]);
  });

  // Whatever it says, the client wants no answer. Connect makes Unavailable of REFUSED_STREAM (7).
  it("a reset by the client is Canceled, whatever its code", async () => {
    const { fastPath, connect } = await signals((close) => close(7));
    expect(ConnectError.from(fastPath.reason).code).to.equal(Code.Canceled);
    expect(ConnectError.from(connect.reason).code).to.equal(Code.Unavailable);
  });
});
