import { brotliCompressSync, gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import fc from "fast-check";
import { useBadInputConnection, withoutTrace } from "../support/bad-input.ts";
import { frame, rawCall } from "../support/transport.ts";

const json = Buffer.from(JSON.stringify({ cookie: `v1.${"a".repeat(100)}` }));
const message = "the request's compressed message is damaged or ends too early";

describe("bad input: compression", () => {
  const target = useBadInputConnection();

  async function overGrpc(encoding: string, bytes: Buffer) {
    const headers = { "content-type": "application/grpc+json", "grpc-encoding": encoding };
    const { stream, response } = rawCall(target.connection, headers);
    stream.end(frame(bytes, 1));
    const { grpcStatus, grpcMessage } = await response;
    return { refused: Number(grpcStatus) === grpc.status.INVALID_ARGUMENT, message: grpcMessage };
  }

  async function overConnect(encoding: string, bytes: Buffer) {
    const response = await fetch(`${target.app.url}/sessiond.v1.SessionService/Validate`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": encoding },
      body: new Uint8Array(bytes),
    });
    const { code, message, details } = (await response.json()) as {
      code: string;
      message: string;
      details: { debug: { reason: string } }[];
    };
    const reason = details[1]?.debug.reason;
    const refused = code === "invalid_argument" && reason === "INVALID_REQUEST";
    return { refused: response.status === 400 && refused, message };
  }

  const ways = { gRPC: overGrpc, Connect: overConnect };
  const encodings = { gzip: gzipSync(json), br: brotliCompressSync(json) };
  for (const [way, call] of Object.entries(ways)) {
    for (const [encoding, whole] of Object.entries(encodings)) {
      it(`${encoding} that ends too early is INVALID_REQUEST over ${way} (property)`, async () => {
        const length = fc.integer({ min: 1, max: whole.length - 1 });
        const property = fc.asyncProperty(length, async (kept) => {
          const answer = await call(encoding, whole.subarray(0, kept));
          expect(answer).to.deep.equal({ refused: true, message });
        });
        await withoutTrace(target.app, () => fc.assert(property, { numRuns: 30 }));
      });

      it(`random bytes as ${encoding} are INVALID_REQUEST over ${way}, and no failure of ours`, () =>
        withoutTrace(target.app, async () => {
          for (const bytes of [[0], [0x1f, 0x8b], [255, 255, 255, 255], [1, 2, 3, 4, 5, 6, 7]]) {
            const answer = await call(encoding, Buffer.from(bytes));
            expect(answer, String(bytes)).to.include({ refused: true });
          }
        }));

      it(`whole ${encoding} is read over ${way} (the control)`, async () => {
        const { message } = await call(encoding, whole);
        expect(message).to.equal("the session cookie is missing or not valid");
      });
    }
  }
});
