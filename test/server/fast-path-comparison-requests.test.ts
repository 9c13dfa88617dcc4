import type http2 from "node:http2";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import { maxHeaders } from "../../src/server/header-limits.ts";
import { type Observed, type RawRequest, sendBytes, sendMessage } from "../support/exchange.ts";
import {
  expectServedBy,
  onBoth,
  type ServedBy,
  useFastPathPairs,
} from "../support/fast-path-pair.ts";
import { frame, testLimits, validateBytes, validatePath } from "../support/transport.ts";

/**
 * What serves the request, and the gRPC status (0: OK) or, if there is none, the HTTP status. The server
 * refuses some requests at once, by their headers.
 */
type Expected = [ServedBy | "nobody" | "refused at once", Code | 0 | `HTTP ${number | undefined}`];
type HeaderCase = [string, http2.OutgoingHttpHeaders, ...Expected];
type BodyCase = [string, Buffer[] | RawRequest, ...Expected];

const contentTypes: HeaderCase[] = [
  ["application/grpc", {}, "fast-path", 0],
  ["application/grpc+proto", { "content-type": "application/grpc+proto" }, "fast-path", 0],
  ["mixed case", { "content-type": "Application/gRPC+Proto" }, "connect", 0],
  // The message is binary.
  ["JSON", { "content-type": "application/grpc+json" }, "nobody", Code.InvalidArgument],
  ["a parameter", { "content-type": "application/grpc; a=b" }, "nobody", "HTTP 415"],
  ["an unknown codec", { "content-type": "application/grpc+thrift" }, "nobody", "HTTP 415"],
  ["a longer name", { "content-type": "application/grpcx" }, "nobody", "HTTP 415"],
  ["gRPC-Web", { "content-type": "application/grpc-web+proto" }, "connect", 0],
  ["an empty type", { "content-type": "" }, "nobody", "HTTP 415"],
  ["no type", { "content-type": undefined }, "nobody", "HTTP 415"],
  ["no te", { te: undefined }, "fast-path", 0],
];

const encodings: HeaderCase[] = [
  ["identity", { "grpc-encoding": "identity" }, "fast-path", 0],
  ["gzip", { "grpc-encoding": "gzip" }, "connect", 0],
  ["brotli", { "grpc-encoding": "br" }, "connect", 0],
  ["an unknown encoding", { "grpc-encoding": "zip" }, "nobody", Code.Unimplemented],
  ["identity in capitals", { "grpc-encoding": "Identity" }, "nobody", Code.Unimplemented],
  ["an empty encoding", { "grpc-encoding": "" }, "nobody", Code.Unimplemented],
  ["two encodings", { "grpc-encoding": ["identity", "gzip"] }, "nobody", Code.Unimplemented],
];

const acceptEncodings: HeaderCase[] = [
  "identity",
  "gzip",
  "br",
  "identity,deflate,gzip",
  "identity, br ,gzip",
  "br,gzip",
  "GZIP",
  ",,;=",
  "",
  ["identity", "br"],
  ["gzip", "gzip"],
].map((value) => [JSON.stringify(value), { "grpc-accept-encoding": value }, "fast-path", 0]);

const timeouts: HeaderCase[] = (
  [
    ["fast-path", 0, ["5S", "1H", "99999999H"]],
    ["nobody", Code.DeadlineExceeded, ["0n", "0m", "0H"]],
    [
      "nobody",
      Code.InvalidArgument,
      ["soon", "0", "-1S", "1.5S", "999999999m", "999999999S", "5 S", "5s", "", ["5S", "5S"]],
    ],
  ] as const
).flatMap(([by, status, values]) =>
  values.map((value): HeaderCase => {
    const headers = { "grpc-timeout": value as string | string[] };
    return [JSON.stringify(value), headers, by, status];
  }),
);

/** What exchange() sends without other headers. */
const ownHeaders = {
  ":method": "POST",
  ":path": validatePath,
  ":scheme": "http",
  ":authority": "sessiond.test",
  "content-type": "application/grpc",
  te: "trailers",
};
const overheadBytes = 32;

/** Headers that make `count` in all. */
function manyHeaders(count: number): http2.OutgoingHttpHeaders {
  const others = count - Object.keys(ownHeaders).length;
  return Object.fromEntries(Array.from({ length: others }, (_, i) => [`x-${i}`, "a"]));
}

/** A header that makes all of them as large as is allowed, or larger by so many bytes. */
function largeHeaders(tooManyBytes: number): http2.OutgoingHttpHeaders {
  const others = Object.entries({ ...ownHeaders, "x-large": "" })
    .map(([name, value]) => name.length + value.length + overheadBytes)
    .reduce((sum, bytes) => sum + bytes);
  return { "x-large": "a".repeat(testLimits.maxHeaderBytes - others + tooManyBytes) };
}

const service = "/sessiond.v1.SessionService";
const targets: HeaderCase[] = [
  ["a query", { ":path": `${validatePath}?a=b` }, "connect", 0],
  ["a fragment", { ":path": `${validatePath}#a` }, "refused at once", Code.Unimplemented],
  ["a trailing slash", { ":path": `${validatePath}/` }, "refused at once", Code.Unimplemented],
  ["other case", { ":path": validatePath.toLowerCase() }, "refused at once", Code.Unimplemented],
  ["an unknown service", { ":path": "/no.Such/Validate" }, "refused at once", Code.Unimplemented],
  ["an unknown method", { ":path": `${service}/No` }, "refused at once", Code.Unimplemented],
  [
    "a method without handler",
    { ":path": `${service}/GarbageCollect` },
    "nobody",
    Code.Unimplemented,
  ],
  ["GET", { ":method": "GET" }, "nobody", "HTTP 405"],
  ["PUT", { ":method": "PUT" }, "nobody", "HTTP 405"],
  ["OPTIONS", { ":method": "OPTIONS" }, "nobody", "HTTP 405"],
  ["HEAD", { ":method": "HEAD" }, "nobody", "HTTP 405"],
  ["post in small letters", { ":method": "post" }, "nobody", "HTTP 405"],
  ["a wrong scheme", { ":scheme": "https" }, "fast-path", 0],
  ["a host instead of an authority", { host: "sessiond.test" }, "fast-path", 0],
  ["an authority and another host", { ":authority": "a.test", host: "b.test" }, "fast-path", 0],
  ["an authority with a port", { ":authority": "SESSIOND.test:80" }, "fast-path", 0],
  ["E02 a list of addresses", { ":authority": "10.0.0.1:1,10.0.0.2:2" }, "fast-path", 0],
  ["E02 the path of a socket", { ":authority": "%2Frun%2Fa.sock" }, "fast-path", 0],
  ["E02 an authority that is no host", { ":authority": "[" }, "fast-path", 0],
  ["E02 a host that is no host", { host: "[" }, "fast-path", 0],
  // RFC 9113, section 8.3.1, does not permit these. nghttp2 resets their streams.
  ["an authority with a user", { ":authority": "a@sessiond.test" }, "nobody", "HTTP undefined"],
  ["an empty authority", { ":authority": "" }, "nobody", "HTTP undefined"],
  ["an empty host and no authority", { host: "" }, "nobody", "HTTP undefined"],
  ["expect: 100-continue", { expect: "100-continue" }, "connect", 0],
  ["another expectation", { expect: "a miracle" }, "nobody", "HTTP 417"],
  ["a content-length", { "content-length": "8" }, "fast-path", 0],
  ["as many headers as are allowed", manyHeaders(maxHeaders), "fast-path", 0],
  ["one header too many", manyHeaders(maxHeaders + 1), "refused at once", Code.ResourceExhausted],
  ["headers as large as are allowed", largeHeaders(0), "fast-path", 0],
  ["headers of one byte too many", largeHeaders(1), "refused at once", Code.ResourceExhausted],
  ["metadata of many kinds", { a: ["1", "2"], "b-bin": "AAE", cookie: "a=b" }, "fast-path", 0],
];

const { maxMessageBytes } = testLimits;
const compressed = 1;
const gzip = { "grpc-encoding": "gzip" };
const unknown = { "grpc-encoding": "zip" };
const soon = { "grpc-timeout": "50m" };
const good = frame(validateBytes("abc"));
const empty = frame(new Uint8Array());
const garbage = Buffer.of(1, 2, 3);
const announces4GiB = frame(garbage, 0, 0xffffffff);
const bomb = frame(gzipSync(Buffer.alloc(16 * 1024 * 1024)), compressed);
const flagged = (flags: number) => frame(validateBytes("a"), flags);
/** Sends the bytes and does not end the request. */
const unended = (bytes: Buffer) => (stream: http2.ClientHttp2Stream) => stream.write(bytes);

/** The bytes of the field and of the length of a cookie. */
const overhead = validateBytes("a".repeat(maxMessageBytes)).length - maxMessageBytes;
const messageOf = (bytes: number) => frame(validateBytes("a".repeat(bytes - overhead)));

/** Compressed messages that end too early, by the length of what is left. */
function truncated(encoding: string, compress: (bytes: Uint8Array) => Buffer): BodyCase[] {
  const whole = compress(validateBytes("a".repeat(50)));
  return [1, 5, whole.length - 9, whole.length - 1].map((length): BodyCase => {
    const send = sendBytes(frame(whole.subarray(0, length), compressed));
    const headers = { "grpc-encoding": encoding };
    const name = `${encoding} that is cut to ${length} bytes`;
    return [name, { headers, send }, "nobody", Code.InvalidArgument];
  });
}

const bodies: BodyCase[] = [
  ["one message", [good], "fast-path", 0],
  ["an empty message", [empty], "fast-path", 0],
  ["no body", { noBody: true }, "nobody", Code.Unimplemented],
  ["an empty body", [], "nobody", Code.Unimplemented],
  ["an empty DATA frame", [Buffer.alloc(0)], "nobody", Code.Unimplemented],
  ["an empty DATA frame first", [Buffer.alloc(0), good], "fast-path", 0],
  ["three bytes", [good.subarray(0, 3)], "nobody", Code.InvalidArgument],
  ["the prefix only", [good.subarray(0, 5)], "nobody", Code.Unimplemented],
  ["half a message", [good.subarray(0, 8)], "nobody", Code.InvalidArgument],
  ["separate prefix and message", [good.subarray(0, 5), good.subarray(5)], "fast-path", 0],
  ["single bytes", Array.from(good, (byte) => Buffer.of(byte)), "fast-path", 0],
  ["two messages", [good, good], "nobody", Code.Unimplemented],
  ["two messages in one DATA frame", [Buffer.concat([good, good])], "nobody", Code.Unimplemented],
  ["an empty message and another", [empty, good], "nobody", Code.Unimplemented],
  ["garbage after the message", [good, garbage], "nobody", Code.InvalidArgument],
  // Neither of them notices that another message was announced.
  ["a prefix after the message", [good, good.subarray(0, 5)], "connect", 0],
  ["what is not protobuf", [frame(Buffer.of(0xff, 0xff))], "nobody", Code.InvalidArgument],
  ["invalid UTF-8", [frame(Buffer.of(10, 2, 0xc3, 0x28))], "nobody", Code.InvalidArgument],
  ["an unknown field", [frame(Buffer.of(0xf8, 0x7f, 1))], "fast-path", 0],
  ["the longest message", [messageOf(maxMessageBytes)], "fast-path", 0],
  ["one byte too many", [messageOf(maxMessageBytes + 1)], "nobody", Code.ResourceExhausted],
  ["an announced 4 GiB", [announces4GiB], "nobody", Code.ResourceExhausted],
  [
    "an announced 4 GiB without end",
    { send: unended(announces4GiB) },
    "nobody",
    Code.ResourceExhausted,
  ],
  [
    "a second message without end",
    { send: unended(Buffer.concat([good, good])) },
    "nobody",
    Code.Unimplemented,
  ],
  [
    "a message without end",
    { headers: soon, send: unended(good) },
    "nobody",
    Code.DeadlineExceeded,
  ],
  [
    "half a message without end",
    { headers: soon, send: unended(good.subarray(0, 6)) },
    "nobody",
    Code.DeadlineExceeded,
  ],
  ["nothing without end", { headers: soon, send: () => {} }, "nobody", Code.DeadlineExceeded],
  ["the compressed flag alone", [flagged(compressed)], "nobody", Code.Internal],
  [
    "the compressed flag and identity",
    { headers: { "grpc-encoding": "identity" }, send: sendBytes(flagged(compressed)) },
    "nobody",
    Code.Internal,
  ],
  [
    "gzip",
    { headers: gzip, send: sendBytes(frame(gzipSync(validateBytes("a")), compressed)) },
    "connect",
    0,
  ],
  ["gzip with the flag off", { headers: gzip, send: sendMessage() }, "connect", 0],
  [
    "broken gzip",
    { headers: gzip, send: sendBytes(frame(garbage, compressed)) },
    "nobody",
    Code.InvalidArgument,
  ],
  ...truncated("gzip", gzipSync),
  ...truncated("br", brotliCompressSync),
  ["a gzip bomb", { headers: gzip, send: sendBytes(bomb) }, "nobody", Code.ResourceExhausted],
  [
    "an unknown compression",
    { headers: unknown, send: sendBytes(flagged(compressed)) },
    "nobody",
    Code.Unimplemented,
  ],
  ["flag 2", [flagged(2)], "fast-path", 0],
  ["flag 3", [flagged(3)], "nobody", Code.Internal],
  ["flag 0x80", [flagged(0x80)], "fast-path", 0],
];

describe("fast path compared with Connect: requests", () => {
  const pairs = useFastPathPairs();

  for (const [title, cases] of Object.entries({
    "content-type": contentTypes,
    "grpc-encoding": encodings,
    "grpc-accept-encoding": acceptEncodings,
    "grpc-timeout": timeouts,
    target: targets,
  })) {
    describe(title, () => {
      for (const [name, headers, by, status] of cases) {
        it(`sends the same response to ${name}`, async () => {
          const pair = await pairs.pair();
          // With a body, it would depend on its arrival whether the refusal ends with a reset.
          const noBody = by === "refused at once";
          const response = await pairs.compare(pair, { headers, noBody });
          expectServedBy(pair, ...handlersOf(by));
          expect(statusOf(response)).to.equal(status);
        });
      }
    });
  }

  it("tells a client to continue that waits for that", async () => {
    const pair = await pairs.pair();
    const { informational } = await pairs.compare(pair, { headers: { expect: "100-continue" } });
    expect(informational).to.include(":status: 100");
  });

  it("names the same compression for more spellings than are remembered", async () => {
    const pair = await pairs.pair();
    for (let spelling = 0; spelling < 105; spelling += 1) {
      const value = `x${spelling}${" ".repeat(spelling % 7)},gzip`;
      const response = await pairs.compare(pair, { headers: { "grpc-accept-encoding": value } });
      expect(response.headers).to.include("grpc-encoding: gzip");
    }
  });

  describe("body", () => {
    for (const [name, body, by, status] of bodies) {
      it(`sends the same response to ${name}, and serves the next call`, async () => {
        const pair = await pairs.pair();
        const request = Array.isArray(body) ? { send: sendBytes(...body) } : body;
        const response = await pairs.compareAndServeNext(pair, request);
        expectServedBy(pair, ...handlersOf(by), "fast-path");
        expect(response.trailers).to.include(`grpc-status: ${status}`);
      });
    }
  });

  it("sends the same response to a request with trailers", async () => {
    const pair = await pairs.pair();
    const [fromFastPath, fromConnect] = await onBoth(pair, async (server) => {
      const { session } = await pairs.open(server);
      const stream = session.request(
        { ":method": "POST", ":path": validatePath, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-late": "1" }));
      const trailers = new Promise((resolve) => stream.once("trailers", resolve));
      stream.end(good);
      stream.resume();
      return trailers;
    });
    expect(fromFastPath).to.deep.equal(fromConnect);
    expectServedBy(pair, "fast-path");
  });
});

function handlersOf(by: Expected[0]): ServedBy[] {
  return by === "fast-path" || by === "connect" ? [by] : [];
}

function statusOf({ headers, trailers, body }: Observed): Expected[1] {
  const grpcStatus = [...trailers, ...headers].find((line) => line.startsWith("grpc-status: "));
  if (grpcStatus !== undefined) return Number(grpcStatus.slice("grpc-status: ".length));
  // gRPC-Web has its status in the body, as text.
  if (Buffer.from(body, "hex").toString("latin1").includes("grpc-status: 0")) return 0;
  const httpStatus = headers
    .find((line) => line.startsWith(":status: "))
    ?.slice(":status: ".length);
  return `HTTP ${httpStatus === undefined ? undefined : Number(httpStatus)}`;
}
