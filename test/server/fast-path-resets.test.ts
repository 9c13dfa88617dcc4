import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { expect } from "chai";
import { frame, rawCall, useTransport, validateBytes, validatePath } from "../support/transport.ts";
import { until } from "../support/until.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const END_HEADERS = 4;

function http2Frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK's literals, which leave no trace in its table. */
function headerBlock(headers: Record<string, string>): Buffer {
  const text = (value: string) => [Buffer.from([value.length]), Buffer.from(value)];
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [
      Buffer.from([0]),
      ...text(name),
      ...text(value),
    ]),
  );
}

describe("fastPath: resets and dates", () => {
  const transport = useTransport();

  for (const [name, code] of Object.entries({
    NO_ERROR: http2.constants.NGHTTP2_NO_ERROR,
    PROTOCOL_ERROR: http2.constants.NGHTTP2_PROTOCOL_ERROR,
    INTERNAL_ERROR: http2.constants.NGHTTP2_INTERNAL_ERROR,
    CANCEL: http2.constants.NGHTTP2_CANCEL,
    "a code that nobody knows": 0xffff,
  })) {
    it(`survives calls that are reset with ${name} in the packet that opens them`, async () => {
      const server = await transport.start();
      const block = headerBlock({
        ":method": "POST",
        ":scheme": "http",
        ":path": validatePath,
        ":authority": "sessiond",
        "content-type": "application/grpc",
        te: "trailers",
      });
      const reset = Buffer.alloc(4);
      reset.writeUInt32BE(code);
      const opened = [1, 3, 5].flatMap((streamId) => [
        http2Frame(HEADERS, END_HEADERS, streamId, block),
        http2Frame(RST_STREAM, 0, streamId, reset),
      ]);
      const socket = net.connect(server.port, server.host);
      transport.cleanups.push(() => socket.destroy());
      socket.on("error", () => {});
      await once(socket, "connect");
      const settings = http2Frame(SETTINGS, 0, 0, Buffer.alloc(0));
      socket.write(Buffer.concat([Buffer.from(PREFACE), settings, ...opened]));
      await once(socket, "data");

      const session = await transport.http2(server);
      const { stream, response } = rawCall(session);
      stream.end(frame(validateBytes("a")));
      expect((await response).grpcStatus).to.equal(0);
    });
  }

  it("tells the time of each answer, not of the first one", async () => {
    const server = await transport.start();
    const session = await transport.http2(server);
    const dateOfAnswer = async () => {
      const { stream } = rawCall(session);
      const responded = once(stream, "response");
      stream.end(frame(validateBytes("a")));
      const [headers] = (await responded) as [http2.IncomingHttpHeaders];
      return headers.date;
    };
    const first = await dateOfAnswer();
    expect(first).to.be.a("string");
    await until("an answer has a later date", async () => (await dateOfAnswer()) !== first);
  });
});
