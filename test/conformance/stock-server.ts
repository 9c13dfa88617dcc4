import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { AddressInfo } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { TlsCredentials } from "../../src/server/listener.ts";

export interface StockServerOptions {
  readonly host: string;
  readonly httpVersion: number;
  readonly tls: TlsCredentials | undefined;
  readonly maxMessageBytes: number | undefined;
  readonly routes: (router: ConnectRouter) => void;
}

/**
 * Starts Connect's own adapter on Node's servers and resolves with the port. A case that fails here
 * too is not a defect of our server.
 */
export async function startStockServer(options: StockServerOptions): Promise<number> {
  const { host, httpVersion, tls, maxMessageBytes, routes } = options;
  const adapter = connectNodeAdapter({
    routes,
    ...(maxMessageBytes === undefined ? {} : { readMaxBytes: maxMessageBytes }),
  });
  const credentials = tls && { cert: tls.certificate, key: tls.key };
  const server =
    httpVersion === 1
      ? credentials
        ? https.createServer(credentials, adapter)
        : http.createServer(adapter)
      : credentials
        ? http2.createSecureServer(credentials, adapter)
        : http2.createServer(adapter);
  server.listen(0, host);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
