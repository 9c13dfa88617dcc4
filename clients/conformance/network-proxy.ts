import { once } from "node:events";
import net, { type AddressInfo } from "node:net";

/**
 * - `pass`: everything is passed on
 * - `refuse`: connections are closed as soon as they are made: the server is down
 * - `stall`: connections are accepted, and nothing is passed on: packets are lost
 */
export type NetworkMode = "pass" | "refuse" | "stall";

export interface NetworkProxy {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** The same address with TLS, for a server behind the proxy that has a certificate. */
  readonly tlsUrl: string;
  /** Leads new connections to the host and port of a URL, and closes those that there are. */
  leadTo(url: string): void;
  /** Cuts the connections that there are, unless they are to stall, and treats new ones like this. */
  set(mode: NetworkMode): void;
  /** Cuts the connections that there are. */
  cut(): void;
  close(): Promise<void>;
}

/** Stands between a client and a server, and fails as a network does. */
export async function startNetworkProxy(serverUrl: string): Promise<NetworkProxy> {
  let target = new URL(serverUrl);
  let mode: NetworkMode = "pass";
  const sockets = new Set<net.Socket>();

  const track = (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const server = net.createServer((client) => {
    track(client);
    if (mode === "refuse") {
      client.destroy();
      return;
    }
    if (mode === "stall") {
      client.pause();
      return;
    }
    const upstream = net.connect(Number(target.port), target.hostname);
    track(upstream);
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    tlsUrl: `https://127.0.0.1:${port}`,
    leadTo(url) {
      target = new URL(url);
      cut();
    },
    set(next) {
      mode = next;
      if (next !== "stall") cut();
      else for (const socket of sockets) socket.unpipe().pause();
    },
    cut,
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
