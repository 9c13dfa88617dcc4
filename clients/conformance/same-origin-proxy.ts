import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface SameOriginProxy {
  readonly url: string;
  /** The path by which the page reaches a server. */
  pathTo(serverUrl: string): string;
  close(): Promise<void>;
}

/**
 * Serves a page with one script, and passes everything below `/to/<URL>` on to that server: as in
 * production, the browser sees one origin. A server that cannot be reached cuts the connection.
 */
export async function startSameOriginProxy(script: string): Promise<SameOriginProxy> {
  const server = http.createServer((req, res) => {
    const [, target, path] = /^\/to\/([^/]+)(\/.*)$/.exec(req.url ?? "") ?? [];
    if (target !== undefined && path !== undefined) {
      passOn(req, res, new URL(path, decodeURIComponent(target)));
    } else if (req.url === "/script.js") {
      res.setHeader("content-type", "text/javascript; charset=utf-8").end(script);
    } else {
      res.setHeader("content-type", "text/html; charset=utf-8");
      res.end('<!doctype html><link rel="icon" href="data:,"><script src="/script.js"></script>');
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    pathTo: (serverUrl) => `/to/${encodeURIComponent(serverUrl)}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function passOn(req: http.IncomingMessage, res: http.ServerResponse, url: URL): void {
  const { host: _, ...headers } = req.headers;
  const upstream = http.request(url, { method: req.method, headers, agent: false });
  upstream.on("error", () => res.destroy());
  upstream.on("response", (response) => {
    response.on("error", () => res.destroy());
    res.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(res);
  });
  // Also when the page has given up.
  res.on("close", () => upstream.destroy());
  req.pipe(upstream);
}
