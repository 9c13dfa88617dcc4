/**
 * The limit of Node's HTTP/2: it discards the request body and always sends the same response bytes, in
 * the format of gRPC.
 */
import { createServer } from "node:http2";
import { listen, recordedAnswer } from "./listen.ts";

const HEADER_BYTES = 5;

const message = recordedAnswer();
const answer = Buffer.alloc(HEADER_BYTES + message.length);
answer.writeUInt32BE(message.length, 1);
message.copy(answer, HEADER_BYTES);

const server = createServer();
server.on("stream", (stream) => {
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.resume();
  stream.on("end", () => {
    stream.respond(
      { ":status": 200, "content-type": "application/grpc+proto" },
      { waitForTrailers: true },
    );
    stream.end(answer);
  });
});
listen(server);
