import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { expose } from "./exposition.ts";
import type { Snapshot } from "./snapshot.ts";

/** Whether the service can serve calls. */
export interface ReadyState {
  readonly isReady: boolean;
  /** Why it is not. */
  readonly reason?: string;
}

/** What a document of the service is served as. */
export interface Document {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface MetricsListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  scrape(): Promise<Snapshot>;
  ready(): ReadyState;
  /** Further documents, by path. */
  readonly documents?: ReadonlyMap<string, () => Document | Promise<Document>>;
  /**
   * Called with failures that the client sees only as status 500, and their paths; without a path, with those
   * of the port itself.
   */
  onError(error: unknown, path?: string): void;
}

export interface MetricsListener extends AsyncDisposable {
  readonly port: number;
}

/** Enough for two Prometheus servers and the probes: each connection is closed after its response. */
const MAX_CONNECTIONS = 8;
/** Documents may be slow and asked for by many: they leave half of the connections to probes and scrapes. */
const MAX_DOCUMENTS = 4;
const MAX_HEADER_BYTES = 8 * 1024;
const TIMEOUT_MS = 10_000;

export const METRICS_PATH = "/metrics";
const OWN_PATHS = [METRICS_PATH, "/healthz", "/readyz"];

const PLAIN_TEXT = "text/plain; charset=utf-8";

const compress = promisify(gzip);

/**
 * Serves /metrics, /healthz, /readyz and the documents over plain HTTP/1.1, without asking who calls. Documents
 * are answered with 503 while 4 of them are being served.
 *
 * @throws {Error} of the system, if it cannot listen there
 */
export async function startMetricsListener(
  options: MetricsListenerOptions,
): Promise<MetricsListener> {
  const { host, port, onError } = options;
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: TIMEOUT_MS });
  server.headersTimeout = TIMEOUT_MS;
  server.timeout = TIMEOUT_MS;
  limitConnections(server);
  const serving = new Set<ServerResponse>();
  server.on("request", (request, response) => {
    serve(request, response, options, serving).catch((error: unknown) => {
      onError(error, pathOf(request));
      if (response.headersSent) response.destroy();
      else send(request, response, text(500, "internal error\n"));
    });
  });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  await listening;
  server.off("error", reject).on("error", (error) => onError(error));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Above the limit, the oldest connection without a request is closed, which is the new one if all others have
 * one. So connections that say nothing keep no probe out.
 */
function limitConnections(server: Server): void {
  const open = new Set<Socket>();
  const silent = new Set<Socket>();
  const release = (socket: Socket) => {
    open.delete(socket);
    silent.delete(socket);
  };
  server.on("connection", (socket) => {
    open.add(socket);
    silent.add(socket);
    socket.once("close", () => release(socket));
    if (open.size <= MAX_CONNECTIONS) return;
    const [oldest = socket] = silent;
    release(oldest);
    oldest.destroy();
  });
  server.on("request", ({ socket }) => silent.delete(socket));
}

/** @param serving the responses that are to become documents */
async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: MetricsListenerOptions,
  serving: Set<ServerResponse>,
): Promise<void> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") {
    const refusal = text(405, "only GET and HEAD\n");
    send(request, response, { ...refusal, headers: { ...refusal.headers, allow: "GET, HEAD" } });
    return;
  }
  const path = pathOf(request);
  const document = options.documents?.get(path);
  if (path === METRICS_PATH) send(request, response, await scrape(request, options));
  else if (path === "/healthz") send(request, response, text(200, "ok\n"));
  else if (path === "/readyz") send(request, response, readiness(options.ready()));
  else if (document === undefined) send(request, response, notFound(options));
  else if (serving.size >= MAX_DOCUMENTS) send(request, response, tooMany());
  else {
    serving.add(response);
    response.once("close", () => serving.delete(response));
    send(request, response, await document());
  }
}

function pathOf({ url = "" }: IncomingMessage): string {
  const [path = ""] = url.split("?");
  return path;
}

function notFound({ documents }: MetricsListenerOptions): Document {
  const paths = [...OWN_PATHS, ...(documents?.keys() ?? [])];
  return text(404, `there are ${paths.slice(0, -1).join(", ")} and ${paths.at(-1)}\n`);
}

function tooMany(): Document {
  const refusal = text(503, "too many requests at once\n");
  return { ...refusal, headers: { ...refusal.headers, "retry-after": "1" } };
}

async function scrape(
  { headers }: IncomingMessage,
  options: MetricsListenerOptions,
): Promise<Document> {
  const { contentType, body } = await expose(await options.scrape(), headers.accept);
  const common = { "content-type": contentType, vary: "accept, accept-encoding" };
  // Nothing in it is both secret and beside something that a client has sent.
  if (!/\bgzip\b/.test(String(headers["accept-encoding"] ?? ""))) {
    return { status: 200, headers: common, body };
  }
  const compressed = await compress(body);
  return { status: 200, headers: { ...common, "content-encoding": "gzip" }, body: compressed };
}

function readiness({ isReady, reason = "not ready" }: ReadyState): Document {
  return isReady ? text(200, "ready\n") : text(503, `${reason}\n`);
}

function text(status: number, body: string): Document {
  return { status, headers: { "content-type": PLAIN_TEXT }, body: Buffer.from(body) };
}

function send({ method }: IncomingMessage, response: ServerResponse, document: Document): void {
  response.writeHead(document.status, {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    ...document.headers,
    "content-length": document.body.length,
    connection: "close",
  });
  response.end(method === "HEAD" ? undefined : document.body);
}
