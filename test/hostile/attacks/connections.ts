import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { becomesTrue } from "../../support/until.ts";
import { ATTACKER_ADDRESS, type Attack } from "../attack.ts";
import { descriptors } from "../process-figures.ts";
import { CONNECTIONS_PER_PEER } from "../target.ts";

/** Connections of others, and those that are just being refused. */
const OTHER_DESCRIPTORS = 100;

export const attacks: readonly Attack[] = [
  {
    name: "idle-connections",
    shows: "one peer gets its share of the connections, and not those of others",
    maxHeldMib: 64,
    async run({ host, port, pid }, scale, held) {
      const count = scale.full ? 5000 : 1500;
      const before = descriptors(pid);
      let most = 0;
      const open = new Set<Socket>();
      for (let index = 0; index < count; index += 1) {
        const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS });
        held.defer(() => socket.destroy());
        open.add(socket);
        socket.on("error", () => {});
        socket.once("close", () => open.delete(socket));
        if (index % 50 === 49) await Promise.race([once(socket, "close"), delay(5)]);
        most = Math.max(most, descriptors(pid) - before);
      }
      const refused = await becomesTrue(() => open.size <= CONNECTIONS_PER_PEER);
      const tooMany = most > CONNECTIONS_PER_PEER + OTHER_DESCRIPTORS;
      const failures = [
        ...(refused ? [] : [`${open.size} connections are still open`]),
        ...(tooMany ? [`the server had ${most} connections open, too many`] : []),
      ];
      return { summary: `${most} of ${count} connections of one peer were open`, failures };
    },
  },
  {
    name: "half-open",
    shows: "connections whose clients have half-closed them are closed",
    async run({ host, port }, scale, held) {
      const count = scale.full ? 900 : 300;
      const all: Socket[] = [];
      for (let index = 0; index < count; index += 1) {
        const options = { host, port, localAddress: ATTACKER_ADDRESS, allowHalfOpen: true };
        const socket = connect(options)
          .on("error", () => {})
          .resume();
        held.defer(() => socket.destroy());
        all.push(socket);
        // Before the first byte, within a head of HTTP/1.1, and within the preface of HTTP/2.
        const begun = ["", "POST / HTTP/1.1\r\nhost: localhost\r\n", "PRI * HTTP/2.0\r\n"];
        socket.end(begun[index % begun.length] ?? "");
      }
      const left = () => all.filter((socket) => !socket.readableEnded && !socket.destroyed).length;
      const isOver = await becomesTrue(() => left() === 0, 60_000);
      const failures = isOver ? [] : [`${left()} of ${count} are still open`];
      return { summary: `${count} connections, ${left()} still open`, failures };
    },
  },
];
