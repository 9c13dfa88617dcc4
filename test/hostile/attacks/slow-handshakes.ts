import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { becomesTrue } from "../../support/until.ts";
import { ATTACKER_ADDRESS, type Attack, type Held, type Target } from "../attack.ts";

/** A connection that has come to some point of the TLS handshake, and stays there. */
type Peer = (target: Target, held: Held, hello: Buffer) => Socket;

function connection({ host, port }: Target, held: Held): Socket {
  const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS });
  held.defer(() => socket.destroy());
  return socket.on("error", () => {}).resume();
}

const kinds: Readonly<Record<string, Peer>> = {
  "that never send a ClientHello": connection,
  "that send half a ClientHello": (target, held, hello) => {
    const socket = connection(target, held);
    socket.write(hello.subarray(0, hello.length >> 1));
    return socket;
  },
  "that send a ClientHello and nothing after it": (target, held, hello) => {
    const socket = connection(target, held);
    socket.write(hello);
    return socket;
  },
  "that trickle a ClientHello": (target, held, hello) => {
    const socket = connection(target, held);
    let sent = 0;
    const timer = setInterval(() => {
      if (!socket.destroyed) socket.write(hello.subarray(sent, sent + 1));
      sent += 1;
    }, 500);
    socket.once("close", () => clearInterval(timer));
    return socket;
  },
};

/** The first bytes that a TLS client sends. */
async function clientHello(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      resolve(chunk);
      done();
    },
  });
  const tls = connectTls({ socket: wire, ALPNProtocols: ["h2"], servername: "localhost" });
  tls.on("error", () => {});
  const hello = await promise;
  tls.destroy();
  return hello;
}

export const attacks: readonly Attack[] = [
  {
    name: "slow-handshakes",
    shows: "connections that do not complete the TLS handshake are closed, and others are served",
    target: "secured",
    maxHeldMib: 64,
    async run(target, scale, held) {
      const perKind = scale.full ? 500 : 150;
      const hello = await clientHello();
      const failures: string[] = [];
      const peers = await Promise.all(
        Object.entries(kinds).map(async ([kind, begin]) => {
          const sockets = Array.from({ length: perKind }, () => begin(target, held, hello));
          await Promise.all(sockets.map((socket) => socket.connecting && once(socket, "connect")));
          return { kind, sockets };
        }),
      );
      await held.measure();
      for (const { kind, sockets } of peers) {
        const left = () => sockets.filter(({ destroyed }) => !destroyed).length;
        const isOver = await becomesTrue(() => left() === 0, 60_000);
        if (!isOver) failures.push(`${left()} connections ${kind} are still open`);
      }
      const summary = `${perKind} connections each ${Object.keys(kinds).join(", ")}`;
      return { summary, failures };
    },
  },
];
