import { create, toBinary } from "@bufbuild/protobuf";
import { ValidateRequestSchema } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { setting } from "../../support/raw-http2.ts";
import { becomesTrue } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import { AttackConnection, envelope, validatePath } from "../attack-connection.ts";

export const attacks: readonly Attack[] = [
  {
    name: "zero-window",
    shows: "answers that the client never lets through are given up at the deadline",
    async run(target, scale, held) {
      const connections = scale.full ? 20 : 4;
      const calls = scale.full ? 1000 : 250;
      // In full it is the server's own deadline, of 30 s.
      const headers = scale.full ? [] : [["grpc-timeout", "5S"] as const];
      const { cookie } = await target.open();
      const request = create(ValidateRequestSchema, {
        credential: { case: "cookie", value: cookie },
      });
      const body = envelope(toBinary(ValidateRequestSchema, request));
      const all: AttackConnection[] = [];
      for (let index = 0; index < connections; index += 1) {
        const settings = [[setting.initialWindowSize, 0]] as const;
        const connection = await AttackConnection.open(target, held, { settings });
        if (connection === undefined) continue;
        all.push(connection);
        for (let call = 0; call < calls; call += 1) {
          connection.call(validatePath, body, { headers });
        }
        await connection.flood();
      }
      await held.measure();
      const ended = () =>
        all.reduce((sum, { closed, resets }) => sum + (closed ? calls : resets), 0);
      const total = connections * calls;
      const isOver = await becomesTrue(() => ended() >= total, 90_000);
      const failures = isOver ? [] : [`only ${ended()} of ${total} calls have ended`];
      return { summary: `${total} calls, ${ended()} ended by the server`, failures };
    },
  },
];
