import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { ATTACKER_ADDRESS, type Attack } from "../attack.ts";
import { waitUntil } from "../wait-until.ts";

const REQUESTS = 1000;
const body = "{}";
const request =
  "POST /sessiond.v1.SessionService/Validate HTTP/1.1\r\nhost: localhost\r\n" +
  `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

export const attacks: readonly Attack[] = [
  {
    name: "pipelining",
    shows: "requests of HTTP/1.1 that are sent without waiting do not hold up others",
    async run(target, scale) {
      const all: Socket[] = [];
      const bytes = Buffer.from(request.repeat(REQUESTS));
      let received = 0;
      const { host, port } = target;
      try {
        for (let index = 0; index < (scale.full ? 60 : 20); index += 1) {
          const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS });
          socket.on("error", () => {});
          socket.on("data", (chunk: Buffer) => {
            received += chunk.length;
          });
          socket.write(bytes);
          all.push(socket);
        }
        await delay(scale.floodMs);
        // A connection on which too many wait is closed without an answer.
        const isOver = () => received > 0 || all.every(({ destroyed }) => destroyed);
        const failures = (await waitUntil(isOver)) ? [] : ["nothing was answered"];
        return {
          summary: `${all.length * REQUESTS} requests, ${received} bytes answered`,
          failures,
        };
      } finally {
        for (const socket of all) socket.destroy();
      }
    },
  },
];
