import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { ATTACKER_ADDRESS, type Attack } from "../attack.ts";
import { waitUntil } from "../wait-until.ts";

export const attacks: readonly Attack[] = [
  {
    name: "idle-connections",
    shows: "one peer cannot take the connections of others",
    async run(target, scale) {
      const count = scale.full ? 10_100 : 3000;
      const { host, port } = target;
      const all: Socket[] = [];
      const open = new Set<Socket>();
      try {
        for (let index = 0; index < count; index += 1) {
          const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS });
          all.push(socket);
          open.add(socket);
          socket.on("error", () => {});
          socket.once("close", () => open.delete(socket));
          if (index % 50 === 49) await Promise.race([once(socket, "close"), delay(5)]);
        }
        await delay(scale.floodMs);
        const refused = await waitUntil(() => open.size < count);
        const failures = refused ? [] : ["no connection was refused"];
        return { summary: `${open.size} of ${count} connections of one peer are open`, failures };
      } finally {
        for (const socket of all) socket.destroy();
      }
    },
  },
  {
    name: "half-open",
    shows: "connections whose clients have half-closed them are let go of",
    async run(target, scale) {
      const count = scale.full ? 2000 : 300;
      const { host, port } = target;
      const all: Socket[] = [];
      try {
        for (let index = 0; index < count; index += 1) {
          const options = { host, port, localAddress: ATTACKER_ADDRESS, allowHalfOpen: true };
          const socket = connect(options)
            .on("error", () => {})
            .resume();
          all.push(socket);
          // Before the first byte, within a head of HTTP/1.1, and within the preface of HTTP/2.
          const begun = ["", "POST / HTTP/1.1\r\nhost: localhost\r\n", "PRI * HTTP/2.0\r\n"];
          socket.end(begun[index % begun.length] ?? "");
        }
        const ended = Promise.all(all.map((socket) => socket.readableEnded || once(socket, "end")));
        const timeout = AbortSignal.timeout(60_000);
        const isOver = await Promise.race([
          ended.then(() => true),
          once(timeout, "abort").then(() => false),
        ]);
        const left = all.filter((socket) => !socket.readableEnded).length;
        const failures = isOver ? [] : [`${left} of ${count} are still open after 60 s`];
        return { summary: `${count} connections, ${left} still open`, failures };
      } finally {
        for (const socket of all) socket.destroy();
      }
    },
  },
];
