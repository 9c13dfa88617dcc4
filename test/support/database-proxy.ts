import { once } from "node:events";
import type { AddressInfo } from "node:net";
import net from "node:net";

type Mode = "open" | "refusing" | "frozen";

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

  const server = net.createServer((client) => {
    if (mode === "refusing") {
      client.destroy();
      return;
    }
    const upstream = net.connect(Number(target.port), target.hostname);
    pairs.set(client, upstream);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("error", () => {});
      from.on("close", () => {
        to.destroy();
        pairs.delete(client);
      });
      if (rewrite === undefined || from === client) from.pipe(to);
      else from.on("data", (data) => to.write(replaceAll(data, rewrite)));
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
    restore() {
      mode = "open";
      forEach((socket) => socket.resume());
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** The text may also be split between two chunks; answers as short as those of tests are not. */
function replaceAll(data: Buffer, [from, to]: readonly [string, string]): Buffer {
  return Buffer.from(data.toString("latin1").replaceAll(from, to), "latin1");
}
