/**
 * Exits with 0 if the sessiond of this environment is serving: a container's health check.
 *
 * Without an argument it asks for the server's status (liveness), which an outage of the database
 * does not change: a restart would not help. With the name of a service it asks for that one's, such
 * as sessiond.v1.SessionService (readiness).
 */
import { enumToJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  Health,
  HealthCheckResponse_ServingStatusSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "../gen/es/health/v1/health_pb.ts";
import { loadConfig } from "./config/config.ts";
import { localUrl } from "./local-url.ts";

const TIMEOUT_MS = 2000;

async function check(): Promise<Status> {
  const { server } = loadConfig(process.env);
  const transport = createGrpcTransport({
    baseUrl: localUrl(server.host, server.port, server.tls !== undefined),
    nodeOptions: {
      // The certificate names the host that clients use, not this one; nothing leaves the machine.
      rejectUnauthorized: false,
      // Where client certificates are required, the server's own may be one. Elsewhere none is needed, and
      // one that does not verify would be refused.
      ...(server.tls?.clientCertificate === "required" && {
        cert: server.tls.certificate,
        key: server.tls.key,
      }),
    },
  });
  const [service = ""] = process.argv.slice(2);
  const client = createClient(Health, transport);
  const { status } = await client.check({ service }, { timeoutMs: TIMEOUT_MS });
  return status;
}

try {
  const status = await check();
  if (status === Status.SERVING) process.exit(0);
  throw new Error(String(enumToJson(HealthCheckResponse_ServingStatusSchema, status)));
} catch (error) {
  // `docker inspect` shows it.
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sessiond is not serving: ${reason}\n`);
  process.exit(1);
}
