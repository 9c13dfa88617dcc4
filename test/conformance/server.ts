/**
 * The server that the Connect conformance suite tests. The suite starts it, writes what it needs to
 * standard input, and reads the server's address from standard output.
 *
 *   node test/conformance/server.ts DESCRIPTORS [--stock]
 *
 * DESCRIPTORS is a file with the suite's contract as a FileDescriptorSet. With --stock, Connect's
 * own adapter serves instead of our server. When our server stops, it appends what it has served to the
 * file DESCRIPTORS.served, as a line of JSON: see served.ts.
 */
import { appendFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import type { TlsCredentials } from "../../src/server/listener.ts";
import { startServer } from "../../src/server/server.ts";
import { UnaryContext } from "../../src/server/unary-context.ts";
import { encodeFrame, readFrame } from "./framing.ts";
import { loadSchema, type ServerCompatRequest } from "./schema.ts";
import type { Served } from "./served.ts";
import { createConformanceService } from "./service.ts";
import { startStockServer } from "./stock-server.ts";

const host = "127.0.0.1";

/** The suite asks for timeouts of seconds. A longer one is the limit of the server itself. */
const maxDeadlineMs = 3_600_000;
const longestTimeoutMs = 60_000;

/** The limit if the suite asks for none: larger than any message of the suite. */
const defaultMaxMessageBytes = 16 * 1024 * 1024;

const [descriptors, option] = process.argv.slice(2);
if (descriptors === undefined || (option !== undefined && option !== "--stock")) {
  throw new Error("usage: server.ts DESCRIPTORS [--stock]");
}

const schema = loadSchema(descriptors);
const request = fromBinary(
  schema.message("ServerCompatRequest"),
  await readFrame(process.stdin),
) as unknown as ServerCompatRequest;
const tls = credentialsOf(request);
let unaryCalls = 0;
let fastPathCalls = 0;
const service = createConformanceService(schema, {
  longestTimeoutMs,
  onCall(context) {
    unaryCalls++;
    if (context instanceof UnaryContext) fastPathCalls++;
  },
});
const port = await (option === "--stock" ? startStock() : startOurs());

const response = create(schema.message("ServerCompatResponse"), {
  host,
  port,
  ...(tls === undefined ? {} : { pemCert: Buffer.from(tls.certificate) }),
});
process.stdout.write(encodeFrame(toBinary(schema.message("ServerCompatResponse"), response)));

function credentialsOf({ useTls, serverCreds }: ServerCompatRequest): TlsCredentials | undefined {
  if (!useTls) return undefined;
  if (serverCreds === undefined) throw new Error("the suite wants TLS and gives no certificate");
  return {
    certificate: Buffer.from(serverCreds.cert).toString(),
    key: Buffer.from(serverCreds.key).toString(),
  };
}

/** Responses contain messages in Any, which need a registry of types in JSON. */
function serveWithJson(router: ConnectRouter): void {
  router.service(schema.service, service, { jsonOptions: { registry: schema.registry } });
}

async function startOurs(): Promise<number> {
  const server = await startServer({
    host,
    port: 0,
    tls,
    limits: {
      maxMessageBytes: request.messageReceiveLimit || defaultMaxMessageBytes,
      maxDeadlineMs,
      maxConcurrentStreams: 100,
      maxHeaderBytes: 16 * 1024,
      maxConnections: 1000,
      maxConnectionsPerPeer: 1000,
      maxStreams: 1000,
      maxStreamsPerPeer: 1000,
      maxStreamsPerConnection: 100,
      maxStreamAgeMs: maxDeadlineMs,
      idleConnectionTimeoutMs: 60_000,
    },
    routes(router) {
      // The fast path does not serve a service with options, but needs none either: these are for
      // JSON. So the service is registered without options too. Connect uses the last handler of
      // a path, so the handlers with options are added again at the end.
      serveWithJson(router);
      const withJson = [...router.handlers];
      router.service(schema.service, service);
      router.handlers.push(...withJson);
    },
    onError: (error, where) => console.error(where, error),
  });
  process.once("SIGTERM", () => {
    // The suite cannot see what served its calls. Without this a run without TLS, or without the
    // fast path, would look like one with it.
    const { httpVersion, useTls: tls } = request;
    const served: Served = { httpVersion, tls, unaryCalls, fastPathCalls };
    appendFileSync(`${descriptors}.served`, `${JSON.stringify(served)}\n`);
    return server.drain(0);
  });
  return server.port;
}

function startStock(): Promise<number> {
  process.once("SIGTERM", () => process.exit());
  return startStockServer({
    host,
    httpVersion: request.httpVersion,
    tls,
    maxMessageBytes: request.messageReceiveLimit || undefined,
    routes: serveWithJson,
  });
}
