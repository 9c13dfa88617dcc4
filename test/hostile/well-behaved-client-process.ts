/**
 * The well-behaved client, in a process of its own so that the attacks do not slow it down. It calls
 * Validate and the health check over gRPC, Validate over Connect with HTTP/1.1, and each second
 * once on a new connection. Its argument is an Access as JSON. Each message from the parent process is
 * answered with the figures since the one before.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { withToken } from "../support/callers.ts";
import { type ClientFigures, summarize } from "./client-figures.ts";
import type { Access } from "./well-behaved-client.ts";

const INTERVAL_MS = 20;
/** The longest that sessiond allows, so that only what is never answered fails. */
const DEADLINE_MS = 30_000;

const { url: baseUrl, cookie, token, ca }: Access = JSON.parse(process.argv[2] ?? "");
const interceptors = token === "" ? [] : [withToken(token)];
const nodeOptions = ca === "" ? {} : { ca };
const grpcTransport = () => {
  const sessionManager = new SessionManager(baseUrl, undefined, nodeOptions);
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager, interceptors }),
    close: () => sessionManager.abort(),
  };
};
const { transport: grpc } = grpcTransport();
const http1 = createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions, interceptors });

let latencies: number[] = [];
let failures: Record<string, number> = {};

async function measure(kind: string, call: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  try {
    await call();
    latencies.push(performance.now() - start);
  } catch (error) {
    const key = `${kind}: ${(error as Error).message}`;
    failures[key] = (failures[key] ?? 0) + 1;
  }
}

const options = { timeoutMs: DEADLINE_MS };
const validate = (transport: Transport) => () =>
  createClient(SessionService, transport).validate(
    { credential: { case: "cookie", value: cookie } },
    options,
  );

async function onNewConnection(): Promise<void> {
  const { transport, close } = grpcTransport();
  try {
    await measure("new connection", validate(transport));
  } finally {
    close();
  }
}

process.on("message", () => {
  const figures: ClientFigures = summarize(latencies, failures);
  latencies = [];
  failures = {};
  process.send?.(figures);
});
process.on("disconnect", () => process.exit(0));

for (let turn = 0; ; turn += 1) {
  void measure("gRPC", validate(grpc));
  if (turn % 5 === 0) void measure("health", () => createClient(Health, grpc).check({}, options));
  if (turn % 5 === 1) void measure("Connect", validate(http1));
  if (turn % 50 === 0) void onNewConnection();
  await delay(INTERVAL_MS);
}
