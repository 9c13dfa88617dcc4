import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { create, toBinary } from "@bufbuild/protobuf";
import { ValidateRequestSchema } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { encodeFrame, flag, frameType } from "../../support/raw-http2.ts";
import { becomesTrue } from "../../support/until.ts";
import { ATTACKER_ADDRESS, type Attack, type Held, type Target } from "../attack.ts";
import {
  AttackConnection,
  callHeaders,
  envelope,
  type Headers,
  headersFrames,
  validatePath,
} from "../attack-connection.ts";

const times = (count: number, value: string): Headers =>
  Array.from({ length: count }, (_, index) => [`x-${index}`, value] as const);

/** More than SESSIOND_MAX_HEADER_BYTES, 16 KiB, or than 128 headers. */
const tooMuch: Readonly<Record<string, Headers>> = {
  "20 KiB": [["x", "a".repeat(20_000)]],
  "64 KiB": [["x", "a".repeat(65_000)]],
  "1 MiB": times(64, "a".repeat(16_000)),
  "200 headers": times(200, "a"),
  "5000 headers": times(5000, ""),
};

/** What a call with these headers comes to over HTTP/2. */
async function overHttp2(
  target: Target,
  held: Held,
  body: Uint8Array,
  headers: Headers,
): Promise<"served" | "refused" | "unanswered"> {
  const connection = await AttackConnection.open(target, held);
  if (connection === undefined) return "unanswered";
  const id = connection.streamId();
  const data = encodeFrame(frameType.data, flag.endStream, id, body);
  await connection.flood(headersFrames(id, callHeaders(validatePath, headers)), data);
  const isRefused = () => connection.closed || connection.resets + connection.refused > 0;
  await becomesTrue(() => connection.served > 0 || isRefused());
  if (connection.served > 0) return "served";
  return isRefused() ? "refused" : "unanswered";
}

/** The status of a request with a header of 100 KiB over HTTP/1.1; empty if it was only cut off. */
async function overHttp1({ host, port }: Target): Promise<string> {
  const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS });
  const head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
  socket.end(`${head}x: ${"a".repeat(100_000)}\r\n\r\n`);
  const answer = await text(socket).catch(() => "");
  return answer.slice(9, 12);
}

export const attacks: readonly Attack[] = [
  {
    name: "huge-headers",
    shows: "headers that are too large or too many are refused",
    async run(target, scale, held) {
      const { cookie: value } = await target.open();
      const request = create(ValidateRequestSchema, { credential: { case: "cookie", value } });
      const body = envelope(toBinary(ValidateRequestSchema, request));
      const failures: string[] = [];
      const rounds = scale.full ? 40 : 5;
      for (let round = 0; round < rounds; round += 1) {
        for (const [what, headers] of Object.entries(tooMuch)) {
          const outcome = await overHttp2(target, held, body, headers);
          if (outcome !== "refused") failures.push(`a call with ${what} is ${outcome}`);
        }
        const status = await overHttp1(target);
        if (status !== "431" && status !== "") failures.push(`HTTP/1.1 answers ${status}`);
      }
      const fine = await overHttp2(target, held, body, times(100, "a"));
      if (fine !== "served") failures.push(`a call with 100 headers is ${fine}`);
      const kinds = Object.keys(tooMuch).join(", ");
      return { summary: `${rounds} times ${kinds}`, failures };
    },
  },
];
