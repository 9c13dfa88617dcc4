/**
 * Runs the application. `npm run web-login -- --help` prints the options.
 */
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../../clients/typescript/src/index.ts";
import { createTestSessiond } from "../../clients/typescript/src/testing.ts";
import { createApp } from "./app.ts";
import { selfSignedCertificate } from "./self-signed.ts";

const USAGE = `npm run web-login -- [options]
  --tls             serve https with a self-signed certificate, so that cookies are __Host- cookies
  --port <port>     the port on 127.0.0.1; 3000 unless set, and 0 for any free one
  --sessiond <url>  a running sessiond, instead of one of its own whose sessions end with it;
                    without --tls it needs SESSIOND_COOKIE_SECURE=false
`;

const ROOT = join(import.meta.dirname, "../..");

interface Options {
  readonly tls: boolean;
  readonly port: number;
  readonly sessiond?: string | undefined;
  readonly help: boolean;
}

/** @throws Error if an option is unknown or has a wrong value */
function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      tls: { type: "boolean", default: false },
      port: { type: "string", default: "3000" },
      sessiond: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) {
    throw new Error(`--port must be a number from 0 to 65535, not "${values.port}"`);
  }
  return { ...values, port };
}

async function openSessiond({ sessiond, tls }: Options) {
  if (sessiond !== undefined) {
    const client = connect(sessiond);
    return { client, stop: async () => client.close() };
  }
  console.log("Starting sessiond …");
  return createTestSessiond({
    command: [process.execPath, join(ROOT, "bin/sessiond.js")],
    cookieSecure: tls,
  });
}

async function run(options: Options): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stopping.abort());
  }
  const certificate = options.tls ? await selfSignedCertificate() : undefined;
  const sessiond = await openSessiond(options);
  const app = createApp(sessiond.client);
  const server = certificate ? https.createServer(certificate, app) : http.createServer(app);
  const { signal } = stopping;
  try {
    server.listen({ host: "127.0.0.1", port: options.port, signal });
    await once(server, "listening", { signal });
    const address = server.address();
    const port = typeof address === "object" ? address?.port : options.port;
    console.log(`web-login runs at ${certificate ? "https" : "http"}://localhost:${port}`);
    await once(signal, "abort");
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    server.closeAllConnections();
    await sessiond.stop();
  }
}

try {
  const options = parseOptions();
  if (options.help) process.stdout.write(USAGE);
  else await run(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
