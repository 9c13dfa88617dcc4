import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import { type RawRequest, sendBytes, sendMessage } from "../support/exchange.ts";
import { useFastPathPairs } from "../support/fast-path-pair.ts";
import { frame, testLimits, validateBytes } from "../support/transport.ts";

const { maxMessageBytes } = testLimits;
const compressed = 1;
const gzip = { "grpc-encoding": "gzip" };
const good = frame(validateBytes("abc"));
const empty = frame(new Uint8Array());
const garbage = Buffer.from([1, 2, 3]);
/** The bytes of a cookie's field and its length, beside the cookie. */
const overhead = validateBytes("a".repeat(maxMessageBytes)).length - maxMessageBytes;

function messageOf(bytes: number): Buffer {
  return frame(validateBytes("a".repeat(bytes - overhead)));
}

/** The request, who serves it where there is a fast path, and the gRPC status. */
type Case = [string, RawRequest, "fast-path" | "connect" | "nobody", Code | 0];

const cases: Case[] = [
  ["one message", { send: sendBytes(good) }, "fast-path", 0],
  ["an empty message", { send: sendBytes(empty) }, "fast-path", 0],
  ["no body", { noBody: true }, "nobody", Code.Unimplemented],
  ["an empty body", { send: sendBytes() }, "nobody", Code.Unimplemented],
  ["an empty DATA frame", { send: sendBytes(Buffer.alloc(0)) }, "nobody", Code.Unimplemented],
  ["an empty DATA frame first", { send: sendBytes(Buffer.alloc(0), good) }, "fast-path", 0],
  ["three bytes", { send: sendBytes(good.subarray(0, 3)) }, "nobody", Code.InvalidArgument],
  ["the prefix only", { send: sendBytes(good.subarray(0, 5)) }, "nobody", Code.Unimplemented],
  ["half a message", { send: sendBytes(good.subarray(0, 8)) }, "nobody", Code.InvalidArgument],
  [
    "prefix and message apart",
    { send: sendBytes(good.subarray(0, 5), good.subarray(5)) },
    "fast-path",
    0,
  ],
  [
    "single bytes",
    { send: sendBytes(...Array.from(good, (byte) => Buffer.of(byte))) },
    "fast-path",
    0,
  ],
  ["two messages", { send: sendBytes(good, good) }, "nobody", Code.Unimplemented],
  [
    "two in one DATA frame",
    { send: sendBytes(Buffer.concat([good, good])) },
    "nobody",
    Code.Unimplemented,
  ],
  ["an empty one and another", { send: sendBytes(empty, good) }, "nobody", Code.Unimplemented],
  ["garbage after it", { send: sendBytes(good, garbage) }, "nobody", Code.InvalidArgument],
  [
    "a prefix after it",
    // Neither of them sees that one more was meant to come.
    { send: sendBytes(good, good.subarray(0, 5)) },
    "connect",
    0,
  ],
  [
    "what is not protobuf",
    { send: sendBytes(frame(Buffer.of(0xff, 0xff))) },
    "nobody",
    Code.InvalidArgument,
  ],
  [
    "a string that is not UTF-8",
    { send: sendBytes(frame(Buffer.of(10, 2, 0xc3, 0x28))) },
    "nobody",
    Code.InvalidArgument,
  ],
  [
    "a field that nobody knows",
    { send: sendBytes(frame(Buffer.of(0xf8, 0x7f, 1))) },
    "fast-path",
    0,
  ],
  ["the longest message", { send: sendBytes(messageOf(maxMessageBytes)) }, "fast-path", 0],
  [
    "one byte too many",
    { send: sendBytes(messageOf(maxMessageBytes + 1)) },
    "nobody",
    Code.ResourceExhausted,
  ],
  [
    "4 GiB announced",
    { send: sendBytes(frame(validateBytes("a"), 0, 0xffffffff)) },
    "nobody",
    Code.ResourceExhausted,
  ],
  [
    "4 GiB announced, and no end",
    { send: (stream) => stream.write(frame(garbage, 0, 0xffffffff)) },
    "nobody",
    Code.ResourceExhausted,
  ],
  [
    "a second message, and no end",
    { send: (stream) => stream.write(Buffer.concat([good, good])) },
    "nobody",
    Code.Unimplemented,
  ],
  [
    "no end",
    { headers: { "grpc-timeout": "50m" }, send: (stream) => stream.write(good) },
    "nobody",
    Code.DeadlineExceeded,
  ],
  [
    "no end of half a message",
    { headers: { "grpc-timeout": "50m" }, send: (stream) => stream.write(good.subarray(0, 6)) },
    "nobody",
    Code.DeadlineExceeded,
  ],
  [
    "nothing and no end",
    { headers: { "grpc-timeout": "50m" }, send: () => {} },
    "nobody",
    Code.DeadlineExceeded,
  ],
  [
    "the compressed flag alone",
    { send: sendBytes(frame(validateBytes("a"), compressed)) },
    "nobody",
    Code.Internal,
  ],
  [
    "the compressed flag and identity",
    {
      headers: { "grpc-encoding": "identity" },
      send: sendBytes(frame(validateBytes("a"), compressed)),
    },
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
  ["flag 2", { send: sendBytes(frame(validateBytes("a"), 2)) }, "fast-path", 0],
  ["flag 3", { send: sendBytes(frame(validateBytes("a"), 3)) }, "nobody", Code.Internal],
  ["flag 0x80", { send: sendBytes(frame(validateBytes("a"), 0x80)) }, "fast-path", 0],
];

describe("the fast path against Connect: messages", () => {
  const pairs = useFastPathPairs();

  for (const [name, request, by, code] of cases) {
    it(`answers alike to ${name}`, async () => {
      const pair = await pairs.pair();

      const answer = await pairs.compare(pair, request);

      expect(pair.fastPath.servedBy).to.deep.equal(by === "nobody" ? [] : [by]);
      expect(pair.connect.servedBy).to.deep.equal(by === "nobody" ? [] : ["connect"]);
      expect(answer.trailers).to.include(`grpc-status: ${code}`);
    });
  }

  it("answers alike to trailers of the request", async () => {
    const pair = await pairs.pair();
    const compare = async (way: typeof pair.fastPath) => {
      const { session } = await pairs.open(way);
      const stream = session.request(
        {
          ":method": "POST",
          ":path": "/sessiond.v1.SessionService/Validate",
          "content-type": "application/grpc",
        },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-late": "1" }));
      const trailers = new Promise((resolve) => stream.once("trailers", resolve));
      stream.end(good);
      stream.resume();
      return trailers;
    };

    const [byFastPath, byConnect] = [await compare(pair.fastPath), await compare(pair.connect)];

    expect(byFastPath).to.deep.equal(byConnect);
    expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
  });
});
