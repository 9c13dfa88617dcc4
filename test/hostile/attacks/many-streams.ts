import { setTimeout as delay } from "node:timers/promises";
import { encodeFrame, frameType } from "../../support/raw-http2.ts";
import type { Attack } from "../attack.ts";
import { AttackConnection, validatePath } from "../attack-connection.ts";

/** A message of 64 KiB is announced, and one byte of it is sent. */
const announced = Buffer.from([0, 0, 1, 0, 0, 1]);
const STREAMS = 1000;
const TRICKLE_MS = 500;
const LIMIT_MS = 90_000;

/** One more byte of each message. */
const trickle = Buffer.concat(
  Array.from({ length: STREAMS }, (_, index) =>
    encodeFrame(frameType.data, 0, 2 * index + 1, Buffer.from([1])),
  ),
);

export const attacks: readonly Attack[] = [
  {
    name: "many-streams",
    shows: "calls whose messages are announced and never sent, or trickle, end at the deadline",
    async run(target, scale, held) {
      const connections = scale.full ? 20 : 4;
      // In full it is the server's own deadline, of 30 s.
      const headers = scale.full ? [] : [["grpc-timeout", "5S"] as const];
      const all: AttackConnection[] = [];
      for (let index = 0; index < connections; index += 1) {
        const connection = await AttackConnection.open(target, held);
        if (connection === undefined) continue;
        all.push(connection);
        for (let call = 0; call < STREAMS; call += 1) {
          connection.call(validatePath, announced, { endStream: false, headers });
          if (call % 50 === 0) await connection.flood();
        }
      }
      await held.measure();
      const ended = () =>
        all.reduce((sum, { closed, refused }) => sum + (closed ? STREAMS : refused), 0);
      const total = connections * STREAMS;
      const trickling = all.filter((_, index) => index % 2 === 0);
      const start = performance.now();
      while (ended() < total && performance.now() - start < LIMIT_MS) {
        for (const connection of trickling) connection.write(trickle);
        await delay(TRICKLE_MS);
      }
      const failures = ended() < total ? [`only ${ended()} of ${total} calls have ended`] : [];
      return { summary: `${total} calls, ${ended()} ended by the server`, failures };
    },
  },
];
