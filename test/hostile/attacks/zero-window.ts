import { create, toBinary } from "@bufbuild/protobuf";
import { ValidateRequestSchema } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { frameType, setting } from "../../support/raw-http2.ts";
import { becomesTrue } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import { AttackConnection, envelope, validatePath } from "../attack-connection.ts";

/** Of HTTP/2. */
const CANCEL = 8;

export const attacks: readonly Attack[] = [
  {
    name: "zero-window",
    shows:
      "answers that the client never lets through are given up after 10 s, before any deadline",
    async run(target, scale, held) {
      const connections = scale.full ? 20 : 4;
      const calls = scale.full ? 1000 : 250;
      const { cookie } = await target.open();
      const request = create(ValidateRequestSchema, {
        credential: { case: "cookie", value: cookie },
      });
      const body = envelope(toBinary(ValidateRequestSchema, request));
      const all: AttackConnection[] = [];
      let otherwise = 0;
      for (let index = 0; index < connections; index += 1) {
        const settings = [[setting.initialWindowSize, 0]] as const;
        const connection = await AttackConnection.open(target, held, { settings });
        if (connection === undefined) continue;
        all.push(connection);
        connection.onFrame = ({ type, payload }) => {
          if (type === frameType.rstStream && payload.readUInt32BE(0) !== CANCEL) otherwise += 1;
        };
        for (let call = 0; call < calls; call += 1) connection.call(validatePath, body);
        await connection.flood();
      }
      await held.measure();
      const sum = (count: (connection: AttackConnection) => number) =>
        all.reduce((total, connection) => total + count(connection), 0);
      // On a busy machine some calls are refused, with headers that need no window.
      const ended = () => sum(({ closed, resets, refused }) => (closed ? calls : resets + refused));
      const total = connections * calls;
      const isOver = await becomesTrue(() => ended() >= total, 90_000);
      const resets = sum((connection) => connection.resets);
      const failures = [
        ...(isOver ? [] : [`only ${ended()} of ${total} calls have ended`]),
        ...(resets > 0 ? [] : ["no call was reset"]),
        ...(otherwise > 0
          ? [`${otherwise} calls were not reset with CANCEL, as stalled ones are`]
          : []),
      ];
      return { summary: `${total} calls, ${ended()} ended by the server`, failures };
    },
  },
];
