import { setTimeout as delay } from "node:timers/promises";
import { encodeFrame, frameType } from "../../support/raw-http2.ts";
import type { Attack } from "../attack.ts";
import {
  AttackConnection,
  envelope,
  INITIAL_WINDOW_SIZE,
  reflectionPath,
  watchPath,
} from "../attack-connection.ts";

const WATCHES = 1000;
const REQUESTS = 100;

/** Field 4 of ServerReflectionRequest: the file that contains a symbol. */
const symbol = Buffer.from("sessiond.v1.SessionService");
const question = envelope(Buffer.concat([Buffer.from([0x22, symbol.length]), symbol]));
const questions = Buffer.concat(Array.from({ length: REQUESTS }, () => question));

function reflectionFlood(read: boolean): Attack {
  return {
    name: read ? "reflection-flood" : "reflection-flood, answers unread",
    shows: "questions of one reflection stream neither pile up nor hold up others",
    async run(target, scale) {
      const settings = [[INITIAL_WINDOW_SIZE, read ? 0x7fffffff : 0]] as const;
      const connection = await AttackConnection.open(target, { settings });
      if (connection === undefined) return { summary: "", failures: ["it was not served"] };
      // What the server lets us send: of the connection, and of the stream.
      const windows = [65_535, 65_535];
      connection.onFrame = (type, _flags, streamId, payload) => {
        if (type !== frameType.windowUpdate) return;
        const index = streamId === 0 ? 0 : 1;
        windows[index] = (windows[index] ?? 0) + payload.readUInt32BE(0);
      };
      const id = connection.call(reflectionPath, question, { endStream: false });
      let asked = 1;
      const start = performance.now();
      while (performance.now() - start < scale.floodMs && !connection.closed) {
        if (Math.min(...windows) < questions.length + question.length) {
          await delay(5);
          continue;
        }
        for (const index of [0, 1]) windows[index] = (windows[index] ?? 0) - questions.length;
        await connection.flood(encodeFrame(frameType.data, 0, id, questions));
        asked += REQUESTS;
      }
      await connection.settled();
      const answered = connection.bytesRead;
      connection.socket.destroy();
      const failures = answered > 0 ? [] : ["nothing was answered"];
      return { summary: `${asked} questions, ${answered} bytes of answers`, failures };
    },
  };
}

export const attacks: readonly Attack[] = [
  {
    name: "watch-flood",
    shows: "the number of Watches is limited, and those that are never read hold no memory",
    async run(target, scale) {
      const all: AttackConnection[] = [];
      try {
        for (let index = 0; index < (scale.full ? 30 : 6); index += 1) {
          const settings = [[INITIAL_WINDOW_SIZE, 0]] as const;
          const connection = await AttackConnection.open(target, { settings });
          if (connection === undefined) continue;
          all.push(connection);
          for (let call = 0; call < WATCHES && !connection.closed; call += 1) {
            connection.call(watchPath, envelope(Buffer.alloc(0)));
            if (call % 50 === 0) await connection.flood();
          }
        }
        await delay(scale.floodMs);
        await Promise.all(all.map((connection) => connection.settled()));
        const refused = all.reduce((sum, { closed, frames, resets }) => {
          return sum + (closed ? WATCHES : Math.max(frames.get(frameType.headers) ?? 0, resets));
        }, 0);
        const total = all.length * WATCHES;
        const failures = refused > 0 ? [] : ["no Watch was refused"];
        return { summary: `${total} Watches, ${refused} answered or refused`, failures };
      } finally {
        for (const { socket } of all) socket.destroy();
      }
    },
  },
  reflectionFlood(true),
  { ...reflectionFlood(false), fullOnly: true },
];
