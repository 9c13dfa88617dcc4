import { connect, type Socket } from "node:net";
import { becomesTrue } from "../../support/until.ts";
import { ATTACKER_ADDRESS, type Attack, type Held, type Target } from "../attack.ts";

const FLOOD = 1000;
/** Below the limit of requests that may wait on one connection. */
const FEW = 16;
const body = "{}";
const request =
  "POST /sessiond.v1.SessionService/Validate HTTP/1.1\r\nhost: localhost\r\n" +
  `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

interface Pipeline {
  readonly socket: Socket;
  /** How many requests have been answered. */
  answers: number;
}

function pipeline({ host, port }: Target, held: Held, requests: number): Pipeline {
  const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS });
  held.defer(() => socket.destroy());
  const opened: Pipeline = { socket, answers: 0 };
  socket.setEncoding("latin1").on("error", () => {});
  let text = "";
  socket.on("data", (chunk: string) => {
    text += chunk;
    opened.answers = text.split("HTTP/1.1 4").length - 1;
  });
  socket.write(request.repeat(requests));
  return opened;
}

export const attacks: readonly Attack[] = [
  {
    name: "pipelining",
    shows: "connections on which too many requests of HTTP/1.1 wait are closed, others are served",
    async run(target, scale, held) {
      const connections = scale.full ? 60 : 20;
      const all = Array.from({ length: connections }, () => pipeline(target, held, FLOOD));
      const few = pipeline(target, held, FEW);
      await held.measure();
      const left = () => all.filter(({ socket }) => !socket.destroyed).length;
      const closed = await becomesTrue(() => left() === 0, 60_000);
      const answered = await becomesTrue(() => few.answers === FEW, 60_000);
      const answers = all.reduce((sum, pipelined) => sum + pipelined.answers, 0);
      const failures = [
        ...(closed ? [] : [`${left()} of ${connections} connections were not closed`]),
        ...(answered ? [] : [`only ${few.answers} of ${FEW} requests were answered`]),
      ];
      return { summary: `${connections * FLOOD} requests, ${answers} answered`, failures };
    },
  },
];
