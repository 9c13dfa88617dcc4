import { connect, type Socket } from "node:net";
import { encodeFrame, frameType } from "../../support/raw-http2.ts";
import { becomesTrue } from "../../support/until.ts";
import { ATTACKER_ADDRESS, type Attack, type Held, type Target } from "../attack.ts";
import {
  AttackConnection,
  callHeaders,
  headersFrame,
  reflectionPath,
  validatePath,
} from "../attack-connection.ts";

interface SlowPeer {
  readonly socket: Socket;
  /** Sends the next byte. */
  readonly trickle?: () => void;
}

type Kind = (target: Target, held: Held) => Promise<SlowPeer | undefined>;

function overTcp(text: string, next: string): Kind {
  return async ({ host, port }, held) => {
    const socket = connect({ host, port, localAddress: ATTACKER_ADDRESS });
    held.defer(() => socket.destroy());
    socket.on("error", () => {}).resume();
    if (text !== "") socket.write(text);
    return { socket, ...(next !== "" && { trickle: () => void socket.write(next) }) };
  };
}

function overHttp2(begin: (connection: AttackConnection) => (() => void) | undefined): Kind {
  return async (target, held) => {
    const connection = await AttackConnection.open(target, held);
    if (connection === undefined) return undefined;
    // Otherwise the acknowledgement of the settings comes between frames that belong together.
    await becomesTrue(() => connection.closed || connection.count(frameType.settings) > 0);
    const trickle = begin(connection);
    return { socket: connection.socket, ...(trickle && { trickle }) };
  };
}

const post = "POST /sessiond.v1.SessionService/Validate HTTP/1.1\r\nhost: localhost\r\n";

/** They are ended after 10 s: the limit for the first bytes of a connection, and for a block of headers. */
const endedEarly: Readonly<Record<string, Kind>> = {
  "that say nothing": overTcp("", ""),
  "whose headers of HTTP/1.1 trickle": overTcp(post, "x: y\r\n"),
  "that stop within the preface": overTcp("PRI * HTTP/2.0\r\n\r\n", ""),
  "whose block of headers never ends": overHttp2((connection) => {
    const block = callHeaders(validatePath).subarray(0, 10);
    connection.write(headersFrame(connection.streamId(), block, false));
    return undefined;
  }),
  "whose block of headers trickles": overHttp2((connection) => {
    const block = callHeaders(validatePath);
    const id = connection.streamId();
    connection.write(headersFrame(id, block.subarray(0, 1), false));
    let sent = 1;
    return () => {
      const next = block.subarray(sent, sent + 1);
      connection.write(encodeFrame(frameType.continuation, 0, id, next));
      sent += 1;
    };
  }),
};

/** They are ended after the longest deadline of a call, 30 s. */
const endedAtDeadline: Readonly<Record<string, Kind>> = {
  "whose body of HTTP/1.1 trickles": overTcp(
    `${post}content-type: application/json\r\ncontent-length: 1000\r\n\r\n`,
    " ",
  ),
  "whose reflection stream says nothing": overHttp2((connection) => {
    connection.call(reflectionPath, Buffer.from([0]), { endStream: false });
    // It ends its stream, and leaves the connection to be reused: the client then hangs up.
    connection.onFrame = ({ type }) => {
      if (type === frameType.headers || type === frameType.rstStream) connection.socket.destroy();
    };
    return undefined;
  }),
};

function slowPeers(name: string, kinds: Readonly<Record<string, Kind>>, limitMs: number): Attack {
  return {
    name,
    shows: "a peer that is slow in any way is ended, and does not slow down others",
    async run(target, scale, held) {
      const perKind = scale.full ? 100 : 30;
      const failures: string[] = [];
      await Promise.all(
        Object.entries(kinds).map(async ([kind, begin]) => {
          const peers = (
            await Promise.all(Array.from({ length: perKind }, () => begin(target, held)))
          ).filter((peer) => peer !== undefined);
          const timer = setInterval(() => {
            for (const { socket, trickle } of peers) if (!socket.destroyed) trickle?.();
          }, 1000);
          const accepted = peers.filter(({ socket }) => !socket.destroyed).length;
          if (accepted < perKind)
            failures.push(`only ${accepted} connections ${kind} were accepted`);
          await held.measure();
          const left = () => peers.filter(({ socket }) => !socket.destroyed).length;
          const isOver = await becomesTrue(() => left() === 0, limitMs);
          clearInterval(timer);
          if (!isOver) failures.push(`${left()} connections ${kind} are still open`);
        }),
      );
      const summary = `${perKind} connections each ${Object.keys(kinds).join(", ")}`;
      return { summary, failures };
    },
  };
}

export const attacks: readonly Attack[] = [
  slowPeers("slow-peers", endedEarly, 60_000),
  { ...slowPeers("slow-peers, at the deadline", endedAtDeadline, 120_000), fullOnly: true },
];
