import { hpackLiterals, hpackReference } from "../../support/raw-http2.ts";
import { becomesTrue } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import {
  AttackConnection,
  callHeaders,
  headersFrame,
  validatePath,
  watchPath,
} from "../attack-connection.ts";

const REFERENCES = 118;
const CONNECTIONS = 4;

/** Before the client has acknowledged the limit for headers, HTTP/2 does not bind it to that. */
function unacknowledged(kind: string, path: string): Attack {
  const block = callHeaders(path);
  const planted = hpackLiterals([["x-large", "a".repeat(3900)]], { index: true });
  const references = Array.from({ length: REFERENCES }, () => hpackReference(62));
  const large = Buffer.concat([block, ...references]);
  return {
    name: `unacknowledged-settings, ${kind}`,
    // Node counts a header once for each reference to it, although it has its bytes only once.
    maxHeldMib: 96,
    shows: "headers of 460 KB are refused also before the client has acknowledged the limit",
    async run(target, scale, held) {
      const streams = scale.full ? 300 : 100;
      const all: AttackConnection[] = [];
      for (let index = 0; index < CONNECTIONS; index += 1) {
        const connection = await AttackConnection.open(target, held, { acknowledge: false });
        if (connection === undefined) continue;
        all.push(connection);
        const first = Buffer.concat([block, planted]);
        await connection.flood(headersFrame(connection.streamId(), first));
        for (let call = 1; call < streams && !connection.closed; call += 1) {
          await connection.flood(headersFrame(connection.streamId(), large));
        }
      }
      const isOver = () =>
        all.every(({ closed, resets, goaway }) => closed || resets > 0 || goaway !== undefined);
      const refused = await becomesTrue(isOver);
      const served = all.reduce((sum, { served: ofOne }) => sum + ofOne, 0);
      const failures = [
        ...(refused ? [] : ["a connection with headers beyond the limit was left alone"]),
        // The first call of each connection is within the limit, and a Watch is served.
        ...(served > all.length ? [`${served} calls beyond the limit were served`] : []),
        ...(all.length < CONNECTIONS ? [`only ${all.length} connections were accepted`] : []),
      ];
      return { summary: `${all.length * streams} calls, ${served} answered`, failures };
    },
  };
}

export const attacks: readonly Attack[] = [
  unacknowledged("unary", validatePath),
  unacknowledged("streams", watchPath),
];
