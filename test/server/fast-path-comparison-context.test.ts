import {
  Code,
  ConnectError,
  createContextKey,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { expect } from "chai";
import { sendMessage } from "../support/exchange.ts";
import { expectServedBy, useFastPathPairs } from "../support/fast-path-pair.ts";
import { cookieOf, testLimits } from "../support/transport.ts";

const userKey = createContextKey("nobody", { description: "set by an interceptor" });

/** Everything that a handler can read from its context, as text. */
function describeContext(context: HandlerContext): string {
  const { timeoutMs, signal } = context;
  const timeLeft = timeoutMs() ?? Number.NaN;
  return JSON.stringify({
    url: context.url,
    requestMethod: context.requestMethod,
    protocolName: context.protocolName,
    service: context.service.typeName,
    method: context.method.name,
    requestHeader: [...context.requestHeader],
    responseHeader: [...context.responseHeader],
    responseTrailer: [...context.responseTrailer],
    hasTimeLeft: timeLeft > 0 && timeLeft <= testLimits.maxDeadlineMs,
    aborted: signal.aborted,
    user: context.values.get(userKey),
  });
}

const requests: [string, Record<string, string | string[]>, urlHost?: string][] = [
  ["no other headers", {}],
  ["a short deadline", { "grpc-timeout": "5S" }],
  ["a deadline with a fraction", { "grpc-timeout": "5000001u" }],
  ["a deadline that is lowered", { "grpc-timeout": "99999999H" }],
  ["repeated metadata", { "x-many": ["1", "2"] }],
  ["binary metadata", { "x-bytes-bin": ["AAEC", "AQ"] }],
  ["cookies", { cookie: ["a=1", "b=2"] }],
  ["Latin-1", { "x-latin": "\xe9" }],
  ["an empty value", { "x-empty": "" }],
  ["accepted compressions", { "grpc-accept-encoding": "identity,gzip" }],
  ["a user agent", { "user-agent": "grpc-node-js/1.0" }],
  ["a host", { host: "SESSIOND.test:80" }],
  ["another scheme", { ":scheme": "https" }],
  ["an authority to be normalized", { ":authority": "SESSIOND.Test:80" }],
  ["E02 an authority for no URL", { ":authority": "10.0.0.1:1,10.0.0.2:2" }, "unknown.invalid"],
];

function recordOutcome(outcomes: string[]): Interceptor {
  return (next) => async (req) => {
    try {
      const response = await next(req);
      outcomes.push("OK");
      return response;
    } catch (error) {
      outcomes.push(Code[ConnectError.from(error).code] ?? "");
      throw error;
    }
  };
}

const decorate: Interceptor = (next) => async (req) => {
  req.header.append("x-by-interceptor", req.header.get("x-many") ?? "none");
  req.contextValues.set(userKey, req.url);
  const response = await next(req);
  response.header.set("x-answered", req.service.typeName);
  response.trailer.append("x-answered", String(req.stream));
  return response;
};

const replace: Interceptor = (next) => async (req) => {
  const response = await next(req);
  if (response.stream) return response;
  return {
    ...response,
    header: new Headers({ "content-type": "application/grpc+proto", "x-only": "1" }),
    message: { ...response.message, secondsLeft: 9 } as never,
  };
};

const mapError: Interceptor = (next) => (req) =>
  next(req).catch((error: unknown) => {
    throw new ConnectError(`mapped: ${ConnectError.from(error).rawMessage}`, Code.Aborted);
  });

const reject: Interceptor = () => () => {
  throw new ConnectError("not you", Code.PermissionDenied, { "x-why": "so" });
};

const interceptorStacks: [string, Interceptor[], reachesHandler: boolean][] = [
  ["none", [], true],
  ["one that decorates", [decorate], true],
  ["two that decorate", [decorate, decorate], true],
  ["one that replaces message and headers", [replace], true],
  ["two that replace and decorate", [replace, decorate], true],
  ["one that maps errors", [mapError], true],
  ["one that rejects", [reject], false],
  ["one that maps a rejection", [mapError, reject], false],
];

const handlers = {
  responds: (context: HandlerContext) => ({ session: { id: describeContext(context) } }),
  fails: (context: HandlerContext): never => {
    throw new ConnectError(describeContext(context), Code.NotFound, { "x-error": "1" });
  },
  throws: (): never => {
    throw new Error("a secret");
  },
};

describe("fast path compared with Connect: context and interceptors", () => {
  const pairs = useFastPathPairs();

  for (const [name, headers, urlHost = "sessiond.test"] of requests) {
    for (const [stack, interceptors] of [
      ["without interceptors", []],
      ["with an interceptor", [decorate]],
    ] as const) {
      it(`passes the handler the same context for ${name}, ${stack}`, async () => {
        const pair = await pairs.pair(() => ({
          interceptors: [...interceptors],
          service: { validate: (_, context) => handlers.responds(context) },
        }));

        const response = await pairs.compare(pair, { headers });

        expectServedBy(pair, "fast-path");
        const body = Buffer.from(response.body, "hex").toString();
        expect(body).to.contain('"hasTimeLeft":true').and.to.contain(`${urlHost}/sessiond.v1.`);
      });
    }
  }

  for (const [name, interceptors, reachesHandler] of interceptorStacks) {
    for (const [outcome, handler] of Object.entries(handlers)) {
      it(`has the same result with interceptors: ${name}, if the handler ${outcome}`, async () => {
        const outcomes: Record<"fastPath" | "connect", string[]> = { fastPath: [], connect: [] };
        const pair = await pairs.pair((unaryFastPath) => {
          const record = recordOutcome(outcomes[unaryFastPath ? "fastPath" : "connect"]);
          return {
            // "none" must be none: the fast path has separate code for that.
            interceptors: interceptors.length === 0 ? [] : [record, ...interceptors],
            service: { validate: (_, context) => handler(context) },
          };
        });

        await pairs.compare(pair, { headers: { "x-many": ["1", "2"] } });

        expectServedBy(pair, ...(reachesHandler ? ["fast-path" as const] : []));
        expect(outcomes.fastPath).to.deep.equal(outcomes.connect);
        expect(outcomes.fastPath).to.have.length(interceptors.length === 0 ? 0 : 1);
      });
    }
  }

  it("does not call interceptors for a request that cannot be decoded", async () => {
    const outcomes: string[] = [];
    const pair = await pairs.pair(() => ({ interceptors: [recordOutcome(outcomes)] }));
    await pairs.compare(pair, { send: (stream) => stream.end(Buffer.of(0, 0, 0, 0, 1, 0xff)) });
    expect(outcomes).to.deep.equal([]);
  });

  it("gives each of many concurrent calls its own context", async () => {
    const pair = await pairs.pair(() => ({
      service: {
        validate: async (request, { requestHeader, responseTrailer }) => {
          responseTrailer.set("x-call", requestHeader.get("x-call") ?? "");
          await new Promise((resolve) => setImmediate(resolve));
          return { session: { id: cookieOf(request) } };
        },
      },
    }));
    const calls = Array.from({ length: 20 }, (_, index) =>
      pairs.compare(pair, {
        headers: { "x-call": String(index) },
        send: sendMessage(`cookie ${index}.`),
      }),
    );
    for (const [index, response] of (await Promise.all(calls)).entries()) {
      expect(response.trailers).to.include(`x-call: ${index}`);
      expect(Buffer.from(response.body, "hex").toString()).to.contain(`cookie ${index}.`);
    }
  });
});
