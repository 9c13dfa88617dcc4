import { setTimeout as delay } from "node:timers/promises";
import { encodeFrame, frameType, setting, uint32 } from "../../support/raw-http2.ts";
import { becomesTrue } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import { AttackConnection, envelope, reflectionPath, watchPath } from "../attack-connection.ts";
import { MAX_STREAMS } from "../target.ts";

/** On each connection: more than SESSIOND_MAX_STREAMS_PER_CONNECTION allows. */
const WATCHES = 150;
/** On each connection: so many are refused by the limit of their peer that it is closed. */
const FLOOD = 10 * WATCHES;
const REQUESTS = 100;

/** Field 4 of ServerReflectionRequest: the file that contains a symbol. */
const symbol = Buffer.from("sessiond.v1.SessionService");
const question = envelope(Buffer.concat([Buffer.from([0x22, symbol.length]), symbol]));
const questions = Buffer.concat(Array.from({ length: REQUESTS }, () => question));

function reflectionFlood(read: boolean): Attack {
  return {
    name: read ? "reflection-flood" : "reflection-flood, answers unread",
    shows: "questions of one reflection stream neither pile up nor hold up others",
    async run(target, scale, held) {
      const settings = [[setting.initialWindowSize, read ? 0x7fffffff : 0]] as const;
      const connection = await AttackConnection.open(target, held, { settings });
      if (connection === undefined) return { summary: "", failures: ["it was not served"] };
      // What the server lets us send: of the connection, and of the stream.
      const windows = [65_535, 65_535];
      let dataBytes = 0;
      connection.onFrame = ({ type, streamId, payload }) => {
        if (type === frameType.data) dataBytes += payload.length;
        if (type !== frameType.windowUpdate) return;
        const index = streamId === 0 ? 0 : 1;
        windows[index] = (windows[index] ?? 0) + payload.readUInt32BE(0);
      };
      if (read) connection.write(encodeFrame(frameType.windowUpdate, 0, 0, uint32(0x7fff0000)));
      const id = connection.call(reflectionPath, question, { endStream: false });
      if (read) await becomesTrue(() => connection.count(frameType.data) > 0);
      await connection.settled();
      const answerBytes = dataBytes;
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
      const settled = await connection.settled();
      // To the last one: what is still being answered would count as memory that is held open.
      const all = () => dataBytes >= asked * answerBytes;
      // A conversation ends at the longest deadline of a call, with trailers.
      const isOver = () => connection.count(frameType.headers) > 1 || connection.resets > 0;
      const answered = !read || (await becomesTrue(() => all() || isOver()));
      const failures = [
        ...(settled ? [] : ["the connection is neither answered nor closed"]),
        ...(answered ? [] : ["not all questions were answered, and the conversation goes on"]),
        ...(asked > REQUESTS ? [] : ["too few questions were let through"]),
      ];
      const { bytesRead } = connection;
      return { summary: `${asked} questions, ${bytesRead} bytes of answers`, failures };
    },
  };
}

export const attacks: readonly Attack[] = [
  {
    name: "watch-flood",
    shows: "the number of Watches is limited, and those that are never read hold little memory",
    async run(target, scale, held) {
      const settings = [[setting.initialWindowSize, 0]] as const;
      const open = async (watches: number) => {
        const connection = await AttackConnection.open(target, held, { settings });
        if (connection === undefined) throw new Error("a connection was not accepted");
        for (let call = 0; call < watches && !connection.closed; call += 1) {
          connection.call(watchPath, envelope(Buffer.alloc(0)));
          if (call % 50 === 0) await connection.flood();
        }
        return connection;
      };
      const [some, many] = scale.full ? [30, 10] : [6, 1];
      const holding: AttackConnection[] = [];
      for (let index = 0; index < some; index += 1) holding.push(await open(WATCHES));
      const answered = ({ closed, served, refused, resets }: AttackConnection) =>
        closed || served + refused + resets >= WATCHES;
      const isAnswered = await becomesTrue(() => holding.every(answered));
      await held.measure();
      const sum = (key: "served" | "refused") =>
        holding.reduce((total, connection) => total + connection[key], 0);
      const [served, refused] = [sum("served"), sum("refused")];

      const floods: AttackConnection[] = [];
      for (let index = 0; index < many; index += 1) floods.push(await open(FLOOD));
      const areClosed = await becomesTrue(() => floods.every(({ closed }) => closed), 15_000);
      const failures = [
        ...(isAnswered ? [] : ["not all Watches were served or refused"]),
        ...(served > MAX_STREAMS
          ? [`${served} Watches are served, ${MAX_STREAMS} are allowed`]
          : []),
        ...(refused > 0 ? [] : ["no Watch was refused"]),
        ...(areClosed ? [] : [`connections of ${FLOOD} refused Watches were not closed`]),
      ];
      const total = some * WATCHES;
      return { summary: `${total} Watches, ${served} served, ${refused} refused`, failures };
    },
  },
  reflectionFlood(true),
  { ...reflectionFlood(false), fullOnly: true },
];
