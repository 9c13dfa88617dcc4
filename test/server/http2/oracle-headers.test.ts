import http2 from "node:http2";
import { type Duplex, duplexPair } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import { Connection } from "../../../src/server/http2/connection.ts";
import {
  encodeFrame,
  FrameReader,
  flag,
  frameType,
  hpackLiterals,
  preface,
  settingsFrame,
} from "../../support/raw-http2.ts";

type Field = [name: string, value: string];

/** What becomes of a request: its fields if it reaches the server's user, or its end. */
type Verdict = string;

const accepted = (raw: readonly string[]): Verdict => `accepted ${JSON.stringify(raw)}`;

type Serve = (socket: Duplex, onRequest: (raw: readonly string[]) => void) => void;

const serveWithNode: Serve = (socket, onRequest) => {
  const server = http2.createServer();
  server.on("sessionError", () => {});
  server.on("stream", (stream, _headers, _flags, raw) => {
    stream.on("error", () => {});
    onRequest(raw as string[]);
  });
  server.emit("connection", socket);
};

const serveWithEngine: Serve = (socket, onRequest) => {
  new Connection(socket, {
    maxConcurrentStreams: 100,
    maxHeaderListSize: 16 * 1024,
    maxHeaders: 128,
    settingsTimeoutMs: 60_000,
    stallTimeoutMs: 60_000,
    onRequest: (stream) => onRequest(stream.headers.raw),
    onError: (error) => {
      throw error;
    },
    onClose() {},
  });
};

/** Sends the fields as a request without a body. */
async function verdictOf(serve: Serve, fields: readonly Field[]): Promise<Verdict> {
  const [client, server] = duplexPair();
  for (const end of [client, server]) end.on("error", () => {});
  let verdict: Verdict | undefined;
  serve(server, (raw) => {
    verdict ??= accepted(raw);
  });
  const reader = new FrameReader();
  let hasAnswered = false;
  client.on("data", (bytes: Buffer) => {
    for (const { type, flags, payload } of reader.read(bytes)) {
      if (type === frameType.rstStream) verdict ??= `reset ${payload.readUInt32BE()}`;
      if (type === frameType.goaway) verdict ??= `goaway ${payload.readUInt32BE(4)}`;
      if (type === frameType.ping && (flags & flag.ack) !== 0) hasAnswered = true;
    }
  });
  const headers = hpackLiterals(fields);
  client.write(preface);
  client.write(settingsFrame([]));
  client.write(encodeFrame(frameType.headers, flag.endHeaders | flag.endStream, 1, headers));
  client.write(encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)));
  while (verdict === undefined && !(hasAnswered || client.destroyed)) await nextTurn();
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
  client.destroy();
  server.destroy();
  return verdict ?? "nothing";
}

const request: Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a"],
  [":authority", "oracle.test"],
];
const odd: Field[] = [
  [":path", "/b"],
  [":method", "GET"],
  [":method", "CONNECT"],
  [":method", ""],
  [":scheme", "https"],
  [":path", ""],
  [":path", "*"],
  [":path", "a"],
  [":authority", ""],
  [":authority", "b"],
  [":status", "200"],
  [":protocol", "websocket"],
  [":unknown", "a"],
  ["host", "c"],
  ["", "a"],
  ["Upper", "a"],
  ["a b", "a"],
  ["a:b", "a"],
  ["x", "a\nb"],
  ["x", "a\rb"],
  ["x", "a\0b"],
  ["x", " a"],
  ["x", "a "],
  ["x", "a\x7f"],
  ["x", "\x01"],
  ["x", "\u00ff"],
  ["connection", "close"],
  ["keep-alive", "a"],
  ["proxy-connection", "a"],
  ["transfer-encoding", "chunked"],
  ["upgrade", "h2c"],
  ["te", "trailers"],
  ["te", "gzip"],
  ["te", "Trailers"],
  ["content-length", "0"],
  ["content-length", "1"],
  ["content-length", "-1"],
  ["content-length", "+0"],
  ["content-length", "x"],
  ["content-length", ""],
  ["content-length", "99999999999999999999"],
  ["cookie", "a=b"],
  ["x", ""],
];
const lists = fc
  .tuple(
    fc.shuffledSubarray(request, { minLength: 3 }),
    fc.boolean(),
    fc.array(fc.tuple(fc.constantFrom(...odd), fc.nat(8)), { maxLength: 2 }),
  )
  .map(([fields, isSorted, additions]) => {
    const list = isSorted ? request.filter((field) => fields.includes(field)) : [...fields];
    for (const [field, at] of additions) list.splice(at, 0, field);
    return list;
  });

/** Fields that RFC 9113, section 8.2.1, or RFC 9110, section 5.5, does not permit. */
const isInvalid = ([name, value]: Field) =>
  !name.startsWith(":") &&
  (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) ||
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them.
    /[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/.test(value));

/**
 * The one difference: nghttp2 drops an invalid field and serves the request without it. To the engine the
 * request is malformed, as the RFC has it.
 */
function expectedOf(fields: readonly Field[], ofNode: Verdict): Verdict {
  const isServed = ofNode.startsWith("accepted");
  return isServed && fields.some(isInvalid)
    ? `reset ${http2.constants.NGHTTP2_PROTOCOL_ERROR}`
    : ofNode;
}

async function compare(fields: readonly Field[]): Promise<Verdict> {
  const expected = expectedOf(fields, await verdictOf(serveWithNode, fields));
  const got = await verdictOf(serveWithEngine, fields);
  expect(got, JSON.stringify(fields)).to.equal(expected);
  return got;
}

describe("the HTTP/2 engine and node:http2's server, for a request's fields", () => {
  it("accept a good one with all its fields", async () => {
    expect(await compare(request)).to.equal(accepted(request.flat()));
  });

  for (const field of odd) {
    it(`agree on ${JSON.stringify(field)} at the end, at the front and instead of another`, async () => {
      await compare([...request, field]);
      await compare([field, ...request]);
      await compare(request.map((good) => (good[0] === field[0] ? field : good)));
    });
  }

  it("agree on what is missing, in another order or there twice, and on odd fields among it", async () => {
    const property = fc.asyncProperty(lists, async (fields) => void (await compare(fields)));
    await fc.assert(property, { numRuns: 300, seed: 1 });
  });
});
