import { grpcHeaders, hpackLiterals, hpackReference } from "../../support/raw-http2.ts";
import type { Attack } from "../attack.ts";
import { callHeaders, headersFrame, validatePath } from "../attack-connection.ts";
import { flood, notEnded, notRefused, summaryOf } from "../flood.ts";

/** Close to all of the dynamic table, so that one byte on the wire stands for this many. */
const HEADER_BYTES = 3900;
const REFERENCES = 15_000;

const planted = Buffer.concat([
  callHeaders(validatePath),
  hpackLiterals([["x-bomb", "a".repeat(HEADER_BYTES)]], { index: true }),
]);
const bomb = Buffer.concat([
  callHeaders(validatePath),
  ...Array.from({ length: REFERENCES }, () => hpackReference(62)),
]);

/** Blocks of headers that cannot be decoded, each of which must end its connection. */
const damaged: readonly Uint8Array[] = [
  hpackReference(0),
  hpackReference(5000),
  Buffer.from([0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  Buffer.concat([hpackLiterals(grpcHeaders(validatePath)), Buffer.from([0x00, 0x05, 0x61])]),
  // A resize of the dynamic table beyond what the server allows.
  Buffer.from([0x3f, 0xff, 0xff, 0xff, 0x7f]),
  // Huffman code with an end-of-string symbol inside.
  Buffer.from([0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, 0x61]),
];

export const attacks: readonly Attack[] = [
  {
    name: "hpack-bomb",
    shows: "headers of 58 MB in 15 KB of references are refused before they are decoded",
    async run(target, scale, held) {
      const result = await flood(target, scale, held, {
        rate: scale.full ? 500 : 200,
        minUnits: 20,
        connections: 3,
        begin: (connection) => connection.write(headersFrame(connection.streamId(), planted)),
        next: (connection) => ({
          units: 1,
          bytes: headersFrame(connection.streamId(), bomb),
        }),
      });
      const { served } = result;
      const failures = [
        ...notRefused(result),
        ...(served > 0 ? [`${served} calls were served`] : []),
      ];
      return { summary: summaryOf("bombs", result), failures };
    },
  },
  {
    name: "bad-hpack",
    shows: "headers that cannot be decoded end their own connection only",
    async run(target, scale, held) {
      let turn = 0;
      const result = await flood(target, scale, held, {
        rate: 500,
        minUnits: damaged.length,
        connections: 2,
        next(connection) {
          turn += 1;
          const block = damaged[turn % damaged.length] as Uint8Array;
          return { units: 1, bytes: headersFrame(connection.streamId(), block) };
        },
      });
      const failures = notEnded(result);
      return { summary: summaryOf("damaged blocks", result), failures };
    },
  },
];
