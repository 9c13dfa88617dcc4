import { create, toBinary } from "@bufbuild/protobuf";
import { ValidateRequestSchema } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Attack } from "../attack.ts";
import {
  AttackConnection,
  envelope,
  INITIAL_WINDOW_SIZE,
  validatePath,
} from "../attack-connection.ts";
import { waitUntil } from "../wait-until.ts";

export const attacks: readonly Attack[] = [
  {
    name: "zero-window",
    shows: "answers that the client never lets through are given up, and hold no memory",
    async run(target, scale) {
      const connections = scale.full ? 20 : 4;
      const calls = scale.full ? 1000 : 250;
      const { cookie } = await target.open();
      const request = create(ValidateRequestSchema, {
        credential: { case: "cookie", value: cookie },
      });
      const body = envelope(toBinary(ValidateRequestSchema, request));
      const all: AttackConnection[] = [];
      try {
        for (let index = 0; index < connections; index += 1) {
          const settings = [[INITIAL_WINDOW_SIZE, 0]] as const;
          const connection = await AttackConnection.open(target, { settings });
          if (connection === undefined) continue;
          all.push(connection);
          for (let call = 0; call < calls; call += 1) connection.call(validatePath, body);
          await connection.flood();
        }
        const ended = () =>
          all.reduce((sum, { closed, resets }) => sum + (closed ? calls : resets), 0);
        const total = all.length * calls;
        // In the short run the connections are cut instead: the deadline of the calls is 30 s.
        const isOver = scale.full ? await waitUntil(() => ended() >= total, 90_000) : true;
        const failures = isOver ? [] : [`only ${ended()} of ${total} calls have ended`];
        return { summary: `${total} calls, ${ended()} ended by the server`, failures };
      } finally {
        for (const { socket } of all) socket.destroy();
      }
    },
  },
];
