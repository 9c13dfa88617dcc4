import { Code, ConnectError } from "@connectrpc/connect";
import { trace } from "@opentelemetry/api";
import { expect } from "chai";
import { describeCall } from "../../src/rpc/call-description.ts";
import { CallSpans } from "../../src/tracing/call-spans.ts";
import { exchange, type RawRequest, sendBytes } from "../support/exchange.ts";
import { onBoth, useFastPathPairs } from "../support/fast-path-pair.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { frame, type StartOptions } from "../support/transport.ts";
import { until } from "../support/until.ts";

const denied = new ConnectError("no", Code.Unauthenticated);

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const cases: [string, StartOptions, RawRequest, code: string][] = [
  ["a call that succeeds", {}, {}, "OK"],
  ["a call with a parent", {}, { headers: { traceparent } }, "OK"],
  ["an error", { service: { validate: () => Promise.reject(denied) } }, {}, "UNAUTHENTICATED"],
  ["a defect", { service: { validate: () => Promise.reject(new Error("no")) } }, {}, "INTERNAL"],
  ["no message", {}, { send: sendBytes(frame(Buffer.from([255]))) }, "INVALID_ARGUMENT"],
  [
    "a call past its deadline",
    { service: { validate: () => new Promise<never>(() => {}) } },
    { headers: { "grpc-timeout": "10m" } },
    "DEADLINE_EXCEEDED",
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
    "UNAUTHENTICATED",
  ],
];

describe("spans of both paths", () => {
  const spans = useRecordedSpans();
  const pairs = useFastPathPairs();

  for (const [what, options, request, code] of cases) {
    it(`K07: of ${what} are equal from the fast path and from Connect`, async () => {
      const server = { host: "127.0.0.1", port: 0 };
      const tracer = new CallSpans({
        tracer: trace.getTracer("test"),
        server,
        describe: describeCall,
      });
      const pair = await pairs.pair(() => ({ ...options, tracer }));
      await onBoth(pair, async (compared) => exchange(await pairs.open(compared), request));
      await until("both spans have ended", async () => spans.calls.length === 2);

      const [one, other] = spans.calls.map((span) => ({
        name: span.name,
        kind: span.kind,
        status: span.status,
        attributes: span.attributes,
        parent: span.parentSpanContext?.spanId,
        events: span.events,
        links: span.links,
      }));
      expect(one).to.deep.equal(other);
      expect(one?.attributes["rpc.response.status_code"]).to.equal(code);
      expect(one?.parent).to.equal(
        request.headers === undefined || code !== "OK" ? undefined : "b7ad6b7169203331",
      );
    });
  }
});
