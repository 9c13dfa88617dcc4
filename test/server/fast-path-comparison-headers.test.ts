import type http2 from "node:http2";
import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import type { Observed } from "../support/exchange.ts";
import { useFastPathPairs } from "../support/fast-path-pair.ts";
import { validatePath } from "../support/transport.ts";

/** Who serves it where there is a fast path, and the gRPC status (0: OK) or else the HTTP status. */
type Expected =
  | ["fast-path" | "connect" | "nobody", Code | 0]
  | ["nobody", `HTTP ${number | undefined}`];
type Case = [string, http2.OutgoingHttpHeaders, ...Expected];

const contentTypes: Case[] = [
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

const encodings: Case[] = [
  ["identity", { "grpc-encoding": "identity" }, "fast-path", 0],
  ["gzip", { "grpc-encoding": "gzip" }, "connect", 0],
  ["brotli", { "grpc-encoding": "br" }, "connect", 0],
  ["an unknown one", { "grpc-encoding": "zip" }, "nobody", Code.Unimplemented],
  ["identity in capitals", { "grpc-encoding": "Identity" }, "nobody", Code.Unimplemented],
  ["an empty one", { "grpc-encoding": "" }, "nobody", Code.Unimplemented],
  ["two", { "grpc-encoding": ["identity", "gzip"] }, "nobody", Code.Unimplemented],
];

const acceptedEncodings = [
  "identity",
  "gzip",
  "br",
  "identity,deflate,gzip",
  "identity, br ,gzip",
  "br,gzip",
  "GZIP",
  ",,;=",
  "",
];

const timeouts: [string | string[], ...Expected][] = [
  ["5S", "fast-path", 0],
  ["1H", "fast-path", 0],
  ["99999999H", "fast-path", 0],
  ["0n", "nobody", Code.DeadlineExceeded],
  ["0H", "nobody", Code.DeadlineExceeded],
  ["soon", "nobody", Code.InvalidArgument],
  ["-1S", "nobody", Code.InvalidArgument],
  ["1.5S", "nobody", Code.InvalidArgument],
  ["999999999m", "nobody", Code.InvalidArgument],
  ["5 S", "nobody", Code.InvalidArgument],
  ["5s", "nobody", Code.InvalidArgument],
  ["", "nobody", Code.InvalidArgument],
  [["5S", "5S"], "nobody", Code.InvalidArgument],
];

const targets: Case[] = [
  ["a query", { ":path": `${validatePath}?a=b` }, "connect", 0],
  ["a fragment", { ":path": `${validatePath}#a` }, "nobody", Code.Unimplemented],
  ["a trailing slash", { ":path": `${validatePath}/` }, "nobody", Code.Unimplemented],
  ["other case", { ":path": validatePath.toLowerCase() }, "nobody", Code.Unimplemented],
  ["an unknown service", { ":path": "/no.Such/Validate" }, "nobody", Code.Unimplemented],
  [
    "an unknown method",
    { ":path": "/sessiond.v1.SessionService/No" },
    "nobody",
    Code.Unimplemented,
  ],
  [
    "a method without an implementation",
    { ":path": "/sessiond.v1.SessionService/GarbageCollect" },
    "nobody",
    Code.Unimplemented,
  ],
  ["GET", { ":method": "GET" }, "nobody", "HTTP 405"],
  ["PUT", { ":method": "PUT" }, "nobody", "HTTP 405"],
  ["OPTIONS", { ":method": "OPTIONS" }, "nobody", "HTTP 405"],
  ["HEAD", { ":method": "HEAD" }, "nobody", "HTTP 405"],
  ["post in small letters", { ":method": "post" }, "nobody", "HTTP 405"],
  ["a scheme that is not so", { ":scheme": "https" }, "fast-path", 0],
  ["a host instead of an authority", { host: "sessiond.test" }, "fast-path", 0],
  ["an authority and another host", { ":authority": "a.test", host: "b.test" }, "fast-path", 0],
  ["an authority with a port", { ":authority": "SESSIOND.test:80" }, "fast-path", 0],
  ["an unusable authority", { ":authority": "[" }, "nobody", "HTTP 400"],
  ["an authority with a user", { ":authority": "a@sessiond.test" }, "nobody", "HTTP undefined"],
  ["expect: 100-continue", { expect: "100-continue" }, "connect", 0],
  ["another expectation", { expect: "a miracle" }, "nobody", "HTTP 417"],
  ["a content-length", { "content-length": "8" }, "fast-path", 0],
  ["metadata of many kinds", { a: ["1", "2"], "b-bin": "AAE", cookie: "a=b" }, "fast-path", 0],
];

describe("the fast path against Connect: headers", () => {
  const pairs = useFastPathPairs();

  async function check(headers: http2.OutgoingHttpHeaders, ...[by, status]: Expected) {
    const pair = await pairs.pair();
    const answer = await pairs.compare(pair, { headers });
    expect(pair.fastPath.servedBy).to.deep.equal(by === "nobody" ? [] : [by]);
    expect(pair.connect.servedBy).to.deep.equal(by === "nobody" ? [] : ["connect"]);
    expect(statusOf(answer)).to.equal(status);
  }

  function table(title: string, cases: Case[]) {
    describe(title, () => {
      for (const [name, headers, ...expected] of cases) {
        it(`answers alike to ${name}`, () => check(headers, ...expected));
      }
    });
  }

  table("content-type", contentTypes);
  table("grpc-encoding", encodings);
  table(
    "grpc-accept-encoding",
    [...acceptedEncodings, ["identity", "br"], ["gzip", "gzip"]].map((accepted) => [
      JSON.stringify(accepted),
      { "grpc-accept-encoding": accepted },
      "fast-path",
      0,
    ]),
  );
  table(
    "grpc-timeout",
    timeouts.map(([timeout, ...expected]) => [
      JSON.stringify(timeout),
      { "grpc-timeout": timeout },
      ...expected,
    ]),
  );
  table("target", targets);

  it("names the same compression to a hundred and more spellings", async () => {
    const pair = await pairs.pair();
    for (let spelling = 0; spelling < 105; spelling += 1) {
      const accepted = `x${spelling}${" ".repeat(spelling % 7)},gzip`;
      const answer = await pairs.compare(pair, { headers: { "grpc-accept-encoding": accepted } });
      expect(answer.headers).to.include("grpc-encoding: gzip");
    }
  });
});

function statusOf(answer: Observed): Code | 0 | string {
  const http = answer.headers.find((line) => line.startsWith(":status"))?.slice(":status: ".length);
  const grpc = [...answer.trailers, ...answer.headers].find((line) =>
    line.startsWith("grpc-status: "),
  );
  if (grpc !== undefined) return Number(grpc.slice("grpc-status: ".length));
  // gRPC-Web has its status in the body, as text.
  const isWebOk = Buffer.from(answer.body, "hex").toString("latin1").includes("grpc-status: 0");
  return isWebOk ? 0 : `HTTP ${http}`;
}
