import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import {
  encodeFrame,
  FrameReader,
  flag,
  frameType,
  hpackLiterals,
  preface,
  settingsFrame,
} from "../../../test/support/raw-http2.ts";
import { testCertificate, testKey } from "../../../test/support/test-certificate.ts";
import { frame } from "../../../test/support/transport.ts";
import { connect, ListResponseSchema } from "../src/index.ts";

/** In bytes (RFC 8446, section 5.1). */
const MAX_TLS_RECORD = 16_384;

const answer = create(ListResponseSchema, { nextPageToken: "next" });

/** The frames of a response to List. */
function wholeResponse(stream: number): Buffer {
  const headers = hpackLiterals([
    [":status", "200"],
    ["content-type", "application/grpc"],
  ]);
  const trailers = hpackLiterals([["grpc-status", "0"]]);
  return Buffer.concat([
    encodeFrame(frameType.headers, flag.endHeaders, stream, headers),
    encodeFrame(frameType.data, 0, stream, frame(toBinary(ListResponseSchema, answer))),
    encodeFrame(frameType.headers, flag.endHeaders | flag.endStream, stream, trailers),
  ]);
}

/** Exactly one TLS record: a PING, and a frame of an unknown type, which is ignored. */
function pingRecord(): Buffer {
  const ping = encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8));
  const unknown = encodeFrame(0xff, 0, 0);
  const padding = Buffer.alloc(MAX_TLS_RECORD - ping.length - unknown.length);
  return Buffer.concat([ping, encodeFrame(0xff, 0, 0, padding)]);
}

/**
 * Answers two requests together, in the TLS record after that of a PING. While Node's client writes the
 * answer to the PING, it reads no further than the first DATA. Then it reads all the rest, before it emits
 * an event for any of it.
 */
function serve(socket: TLSSocket): void {
  const reader = new FrameReader();
  const requests: number[] = [];
  let prefaceLeft = preface.length;
  socket.on("data", (chunk: Buffer) => {
    const frames = chunk.subarray(prefaceLeft);
    prefaceLeft = Math.max(0, prefaceLeft - chunk.length);
    for (const { type, flags, streamId } of reader.read(frames)) {
      if (type === frameType.data && (flags & flag.endStream) !== 0) requests.push(streamId);
    }
    if (requests.length < 2) return;
    socket.write(Buffer.concat([pingRecord(), ...requests.splice(0).map(wholeResponse)]));
  });
  socket.on("error", () => {});
  socket.write(settingsFrame([]));
}

describe("responses that arrive while the client is busy", () => {
  const server = createServer(
    { cert: testCertificate, key: testKey, ALPNProtocols: ["h2"] },
    serve,
  );
  let url: string;

  before(async () => {
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => server.close());

  it("are the results of their calls", async () => {
    using client = connect(url, { ca: testCertificate, retry: false, timeoutMs: 600_000 });
    const calls = [client.list({}), client.list({})];
    expect(await Promise.all(calls)).to.deep.equal([answer, answer]);
  });
});
