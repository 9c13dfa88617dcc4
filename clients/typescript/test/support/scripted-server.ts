import { createServer, type Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import type { ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { SessionService } from "../../src/index.ts";

export interface ScriptedServer {
  readonly url: string;
  /** How many connections there have been. */
  connectionCount(): number;
  /** Breaks all connections, as a process that dies does. */
  cut(): void;
  stop(): Promise<void>;
}

/** A server of the contract that answers as the test says; what it has no handler for, it refuses. */
export async function startScriptedServer(
  handlers: Partial<ServiceImpl<typeof SessionService>>,
): Promise<ScriptedServer> {
  const server = createServer(
    connectNodeAdapter({ routes: (router) => router.service(SessionService, handlers) }),
  );
  const connections = new Set<Http2Session>();
  let connectionCount = 0;
  server.on("session", (connection) => {
    connectionCount++;
    connections.add(connection);
    connection.once("close", () => connections.delete(connection));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const cut = () => {
    for (const connection of connections) connection.socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connectionCount: () => connectionCount,
    cut,
    async stop() {
      const stopped = new Promise((resolve) => server.close(resolve));
      cut();
      await stopped;
    },
  };
}
