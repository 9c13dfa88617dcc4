/**
 * The server that the Connect conformance suite tests: the suite starts it, says on standard input
 * what it needs, and is told on standard output where it is.
 *
 *   node test/conformance/server.ts DESCRIPTORS [--stock]
 *
 * DESCRIPTORS is the suite's contract as a FileDescriptorSet. With --stock, Connect's own adapter
 * serves instead of our transport. In the end our transport's server appends to the file
 * DESCRIPTORS.fast-path-calls how many calls its unary fast path has served.
 */
import { appendFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import type { TlsCredentials } from "../../src/server/listener.ts";
import { startServer } from "../../src/server/server.ts";
import { UnaryContext } from "../../src/server/unary-context.ts";
import { encodeFrame, readFrame } from "./framing.ts";
import { loadSchema, type ServerCompatRequest } from "./schema.ts";
import { createConformanceService } from "./service.ts";
import { startStockServer } from "./stock-server.ts";

const host = "127.0.0.1";

/** The suite's calls ask for seconds, so that this bound is told from what they ask for. */
const maxDeadlineMs = 3_600_000;
const longestTimeoutMs = 60_000;

/** Of our transport where the suite asks for no limit: larger than any message of the suite. */
const amplyBytes = 16 * 1024 * 1024;

const [descriptors, flavour] = process.argv.slice(2);
if (descriptors === undefined || (flavour !== undefined && flavour !== "--stock")) {
  throw new Error("usage: server.ts DESCRIPTORS [--stock]");
}

const schema = loadSchema(descriptors);
const request = fromBinary(
  schema.message("ServerCompatRequest"),
  await readFrame(process.stdin),
) as unknown as ServerCompatRequest;
const tls = credentialsOf(request);
let fastPathCalls = 0;
const service = createConformanceService(schema, {
  longestTimeoutMs,
  onCall(context) {
    if (context instanceof UnaryContext) fastPathCalls++;
  },
});
const port = await (flavour === "--stock" ? startStock() : startOurs());

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

/** The answers hold messages of any type, which JSON can only write with the types at hand. */
function serveWithJson(router: ConnectRouter): void {
  router.service(schema.service, service, { jsonOptions: { registry: schema.registry } });
}

async function startOurs(): Promise<number> {
  const server = await startServer({
    host,
    port: 0,
    tls,
    limits: {
      maxMessageBytes: request.messageReceiveLimit || amplyBytes,
      maxDeadlineMs,
      maxConcurrentStreams: 100,
      maxHeaderBytes: 16 * 1024,
      maxConnections: 1000,
      idleConnectionTimeoutMs: 60_000,
    },
    routes(router) {
      // A service with options is not for the unary fast path, which never needs these: they are for
      // JSON. So it is registered without them too, and then what Connect serves is put last again,
      // where it counts.
      serveWithJson(router);
      const withJson = [...router.handlers];
      router.service(schema.service, service);
      router.handlers.push(...withJson);
    },
    onError: (error, where) => console.error(where, error),
  });
  process.once("SIGTERM", () => {
    // The client cannot tell which way its calls have gone, so a run without the fast path would look
    // like one with it.
    appendFileSync(`${descriptors}.fast-path-calls`, `${fastPathCalls}\n`);
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
