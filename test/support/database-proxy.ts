import { once } from "node:events";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { Transform } from "node:stream";

type Mode = "open" | "refusing" | "frozen";

/** Which messages are lost. The connection of a lost message is cut. */
export interface Loss {
  /**
   * A lost question never reaches the server. A lost answer is that of a statement that the server
   * has executed.
   */
  readonly lost: "questions" | "answers";
  /** Only questions, or answers to questions, that contain one of these texts. */
  readonly naming: readonly string[];
  /** One in this many of them. */
  readonly oneIn: number;
}

export interface DatabaseProxy {
  /** The database's URL through the proxy. */
  readonly url: string;
  /** The number of open connections. */
  readonly connections: number;
  /** Cuts all connections; new ones are let through. */
  cut(): void;
  /** Cuts all connections, and new ones as soon as they are made: the database is down. */
  refuse(): void;
  /** Keeps connections open, lets new ones be made, and passes nothing on: the network is lost. */
  freeze(): void;
  /** Passes questions on and keeps the answers back, on the connections that there are by now. */
  holdAnswers(): void;
  /** The reverse: passes answers on and keeps questions back. */
  holdQuestions(): void;
  /** Loses messages until `restore`. */
  lose(loss: Loss): void;
  /** The number of messages that were lost. */
  readonly losses: number;
  /** Passes everything on again, what was held back included. */
  restore(): void;
  close(): Promise<void>;
}

export interface DatabaseProxyOptions {
  /** Replaces a text in all answers by another one of the same length. */
  readonly rewrite?: readonly [from: string, to: string];
}

/** Stands between sessiond and PostgreSQL, and fails as a network does. */
export async function startDatabaseProxy(
  databaseUrl: string,
  { rewrite }: DatabaseProxyOptions = {},
): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl);
  const pairs = new Map<net.Socket, net.Socket>();
  let mode: Mode = "open";
  let loss: Loss | undefined;
  let candidates = 0;
  let losses = 0;

  /** Whether the question, or its answer, is one to lose. */
  const isChosen = (question: Buffer): boolean => {
    if (!loss?.naming.some((text) => question.includes(text))) return false;
    candidates += 1;
    return candidates % loss.oneIn === 0;
  };

  const server = net.createServer((client) => {
    if (mode === "refusing") {
      client.destroy();
      return;
    }
    const upstream = net.connect(Number(target.port), target.hostname);
    pairs.set(client, upstream);
    let losesAnswer = false;
    const cutForLoss = () => {
      losses += 1;
      client.destroy();
    };
    const questions = passing((data) => {
      const chosen = isChosen(data);
      losesAnswer = chosen && loss?.lost === "answers";
      if (!chosen || losesAnswer) return data;
      cutForLoss();
      return undefined;
    });
    const answers = passing((data) => {
      if (!losesAnswer) return rewrite === undefined ? data : replaceAll(data, rewrite);
      cutForLoss();
      return undefined;
    });
    for (const [from, passed, to] of [
      [client, questions, upstream],
      [upstream, answers, client],
    ] as const) {
      from.on("error", () => {});
      from.on("close", () => {
        to.destroy();
        pairs.delete(client);
      });
      from.pipe(passed).pipe(to);
      if (mode === "frozen") from.pause();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);

  const forEach = (act: (socket: net.Socket) => void) => {
    for (const pair of [...pairs]) pair.forEach(act);
  };
  const cut = () => forEach((socket) => socket.destroy());
  return {
    url: url.href,
    get connections() {
      return pairs.size;
    },
    cut,
    refuse() {
      mode = "refusing";
      cut();
    },
    freeze() {
      mode = "frozen";
      forEach((socket) => socket.pause());
    },
    holdAnswers() {
      for (const upstream of pairs.values()) upstream.pause();
    },
    holdQuestions() {
      for (const client of pairs.keys()) client.pause();
    },
    lose(next) {
      loss = next;
    },
    get losses() {
      return losses;
    },
    restore() {
      mode = "open";
      loss = undefined;
      forEach((socket) => socket.resume());
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** Passes on what `pass` makes of each chunk, and nothing where it returns undefined. */
function passing(pass: (data: Buffer) => Buffer | undefined): Transform {
  return new Transform({
    transform(data: Buffer, _encoding, done) {
      done(null, pass(data));
    },
  });
}

/** The text may also be split between two chunks; answers as short as those of tests are not. */
function replaceAll(data: Buffer, [from, to]: readonly [string, string]): Buffer {
  return Buffer.from(data.toString("latin1").replaceAll(from, to), "latin1");
}
