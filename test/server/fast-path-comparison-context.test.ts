import {
  Code,
  ConnectError,
  createContextKey,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { expect } from "chai";
import { sendMessage } from "../support/exchange.ts";
import { useFastPathPairs } from "../support/fast-path-pair.ts";
import { cookieOf, testLimits } from "../support/transport.ts";

const userKey = createContextKey("nobody", { description: "set by an interceptor" });

/** All that a handler can read from its context, as text. */
function portrayed(context: HandlerContext): string {
  const { timeoutMs, signal } = context;
  const left = timeoutMs() ?? Number.NaN;
  return JSON.stringify({
    url: context.url,
    requestMethod: context.requestMethod,
    protocolName: context.protocolName,
    service: context.service.typeName,
    method: context.method.name,
    requestHeader: [...context.requestHeader],
    responseHeader: [...context.responseHeader],
    responseTrailer: [...context.responseTrailer],
    hasTimeLeft: left > 0 && left <= testLimits.maxDeadlineMs,
    aborted: signal.aborted,
    user: context.values.get(userKey),
  });
}

const requests: [string, Record<string, string | string[]>][] = [
  ["nothing else", {}],
  ["a short deadline", { "grpc-timeout": "5S" }],
  ["a deadline with a fraction", { "grpc-timeout": "5000001u" }],
  ["a deadline that is lowered", { "grpc-timeout": "99999999H" }],
  ["repeated metadata", { "x-many": ["1", "2"] }],
  ["binary metadata", { "x-bytes-bin": ["AAEC", "AQ"] }],
  ["cookies", { cookie: ["a=1", "b=2"] }],
  ["Latin-1", { "x-latin": "\xe9" }],
  ["an empty value", { "x-empty": "" }],
  ["compression to accept", { "grpc-accept-encoding": "identity,gzip" }],
  ["a user agent", { "user-agent": "grpc-node-js/1.0" }],
  ["a host", { host: "SESSIOND.test:80" }],
  ["another scheme", { ":scheme": "https" }],
  ["an authority to be normalized", { ":authority": "SESSIOND.Test:80" }],
];

function counting(outcomes: string[]): Interceptor {
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

const decorating: Interceptor = (next) => async (req) => {
  req.header.append("x-by-interceptor", req.header.get("x-many") ?? "none");
  req.contextValues.set(userKey, req.url);
  const response = await next(req);
  response.header.set("x-answered", req.service.typeName);
  response.trailer.append("x-answered", String(req.stream));
  return response;
};

const replacing: Interceptor = (next) => async (req) => {
  const response = await next(req);
  if (response.stream) return response;
  return {
    ...response,
    header: new Headers({ "content-type": "application/grpc+proto", "x-only": "1" }),
    message: { ...response.message, secondsLeft: 9 } as never,
  };
};

const mapping: Interceptor = (next) => (req) =>
  next(req).catch((error: unknown) => {
    throw new ConnectError(`mapped: ${ConnectError.from(error).rawMessage}`, Code.Aborted);
  });

const refusing: Interceptor = () => () => {
  throw new ConnectError("not you", Code.PermissionDenied, { "x-why": "so" });
};

const stacks: [string, Interceptor[], boolean][] = [
  ["none", [], true],
  ["one that decorates", [decorating], true],
  ["two that decorate", [decorating, decorating], true],
  ["one that replaces message and headers", [replacing], true],
  ["two that replace and decorate", [replacing, decorating], true],
  ["one that maps errors", [mapping], true],
  ["one that refuses", [refusing], false],
  ["one that maps a refusal", [mapping, refusing], false],
];

describe("the fast path against Connect: context and interceptors", () => {
  const pairs = useFastPathPairs();

  const services = {
    answers: (context: HandlerContext) => ({ session: { id: portrayed(context) } }),
    fails: (context: HandlerContext): never => {
      throw new ConnectError(portrayed(context), Code.NotFound, { "x-error": "1" });
    },
    breaks: (): never => {
      throw new Error("a secret");
    },
  };

  for (const [name, headers] of requests) {
    for (const [kind, interceptors] of [
      ["without interceptors", []],
      ["with one", [decorating]],
    ] as const) {
      it(`shows the handler the same of ${name}, ${kind}`, async () => {
        const pair = await pairs.pair(() => ({
          interceptors: [...interceptors],
          service: { validate: (_, context) => services.answers(context) },
        }));

        const answer = await pairs.compare(pair, { headers });

        expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
        const body = Buffer.from(answer.body, "hex").toString();
        expect(body).to.contain('"hasTimeLeft":true').and.to.contain("sessiond.test/sessiond.v1.");
      });
    }
  }

  for (const [name, interceptors, reached] of stacks) {
    for (const [kind, implementation] of Object.entries(services)) {
      it(`gives interceptors the same outcome: ${name}, where the handler ${kind}`, async () => {
        const outcomes: { fastPath: string[]; connect: string[] } = { fastPath: [], connect: [] };
        const pair = await pairs.pair((unaryFastPath) => ({
          // None means none: the fast path has another way then.
          interceptors:
            interceptors.length === 0
              ? []
              : [counting(outcomes[unaryFastPath ? "fastPath" : "connect"]), ...interceptors],
          service: { validate: (_, context) => implementation(context) },
        }));

        await pairs.compare(pair, { headers: { "x-many": ["1", "2"] } });

        expect(pair.fastPath.servedBy).to.deep.equal(reached ? ["fast-path"] : []);
        expect(outcomes.fastPath).to.deep.equal(outcomes.connect);
        expect(outcomes.fastPath).to.have.length(interceptors.length === 0 ? 0 : 1);
      });
    }
  }

  it("does not ask interceptors about what cannot be decoded", async () => {
    const outcomes: string[] = [];
    const pair = await pairs.pair(() => ({ interceptors: [counting(outcomes)] }));
    await pairs.compare(pair, { send: (stream) => stream.end(Buffer.of(0, 0, 0, 0, 1, 0xff)) });
    expect(outcomes).to.deep.equal([]);
  });

  it("gives each call its own context, where many come at once", async () => {
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
    for (const [index, answer] of (await Promise.all(calls)).entries()) {
      expect(answer.trailers).to.include(`x-call: ${index}`);
      expect(Buffer.from(answer.body, "hex").toString()).to.contain(`cookie ${index}.`);
    }
  });
});
