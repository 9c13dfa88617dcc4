import { gzipSync } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { joinTrailers } from "../../src/server/trailers-only.ts";
import { exchange, openTapped, sendBytes } from "../support/exchange.ts";
import { frame, useTransport, validateBytes } from "../support/transport.ts";

describe("responses of unary calls in one frame", () => {
  const transport = useTransport();

  /** By the fast path and by Connect. */
  const requests = {
    identity: { send: sendBytes(frame(validateBytes("a"))) },
    gzip: {
      headers: { "grpc-encoding": "gzip" },
      send: sendBytes(frame(gzipSync(validateBytes("a")), 1)),
    },
  };
  for (const [name, request] of Object.entries(requests)) {
    it(`keep each cookie of a handler that fails, with ${name}`, async () => {
      const server = await transport.start({
        service: {
          validate(_, { responseHeader, responseTrailer }) {
            responseHeader.append("set-cookie", "a=1");
            responseHeader.append("set-cookie", "b=2");
            responseHeader.append("x-both", "header");
            responseTrailer.append("x-both", "trailer");
            throw new ConnectError("failed", Code.Unavailable);
          },
        },
      });
      const tapped = await openTapped(server);
      transport.cleanups.push(() => tapped.session.destroy());

      const { frames, trailers } = await exchange(tapped, request);

      expect(frames).to.deep.equal(["HEADERS END_STREAM"]);
      expect(trailers).to.include.members([
        "set-cookie: a=1",
        "set-cookie: b=2",
        "x-both: trailer",
      ]);
      expect(trailers).to.not.include("x-both: header");
    });
  }

  it("close the body of Connect if only its first chunk is read", async () => {
    let closed = false;
    async function* body() {
      try {
        yield new Uint8Array([1]);
        yield new Uint8Array([2]);
      } finally {
        closed = true;
      }
    }
    const response = await joinTrailers({ status: 200, body: body(), trailer: new Headers() });

    if (!("body" in response) || response.body === undefined) throw new Error("it has a body");
    for await (const chunk of response.body) {
      expect(chunk).to.deep.equal(new Uint8Array([1]));
      break;
    }

    expect(closed).to.equal(true);
  });
});
