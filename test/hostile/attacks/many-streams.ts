import { frameType } from "../../support/raw-http2.ts";
import type { Attack } from "../attack.ts";
import { AttackConnection, validatePath } from "../attack-connection.ts";
import { waitUntil } from "../wait-until.ts";

/** A message of 64 KiB is announced, and one byte of it is sent. */
const announced = Buffer.from([0, 0, 1, 0, 0, 1]);
const STREAMS = 1000;

export const attacks: readonly Attack[] = [
  {
    name: "many-streams",
    shows: "a message that is only announced costs no memory, and its call ends at the deadline",
    async run(target, scale) {
      const all: AttackConnection[] = [];
      try {
        for (let index = 0; index < (scale.full ? 20 : 3); index += 1) {
          const connection = await AttackConnection.open(target);
          if (connection === undefined) continue;
          all.push(connection);
          for (let call = 0; call < STREAMS; call += 1) {
            connection.call(validatePath, announced, { endStream: false });
            if (call % 50 === 0) await connection.flood();
          }
        }
        const ended = () =>
          all.reduce(
            (sum, { closed, frames }) =>
              sum + (closed ? STREAMS : (frames.get(frameType.headers) ?? 0)),
            0,
          );
        const total = all.length * STREAMS;
        // The calls' deadline is 30 s. In the short run, the client hangs up before.
        const isOver = scale.full ? await waitUntil(() => ended() >= total, 90_000) : true;
        const failures = isOver ? [] : [`only ${ended()} of ${total} calls have ended`];
        return { summary: `${total} calls, ${ended()} ended by the server`, failures };
      } finally {
        for (const { socket } of all) socket.destroy();
      }
    },
  },
];
