/**
 * The well-behaved client, in a process of its own so that the attacks do not slow it down. It calls
 * Validate and the health check over gRPC, Validate over Connect with HTTP/1.1, and each second
 * once on a new connection. Arguments: URL COOKIE. Each message from the parent process is answered
 * with the figures since the one before.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { summarize, type VictimFigures } from "./victim-figures.ts";

const INTERVAL_MS = 20;
const DEADLINE_MS = 10_000;

const [, , baseUrl = "", cookie = ""] = process.argv;
const grpc = createGrpcTransport({ baseUrl });
const http1 = createConnectTransport({ baseUrl, httpVersion: "1.1" });

let latencies: number[] = [];
let failures: Record<string, number> = {};
let healthFailures = 0;

async function measure(kind: string, call: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  try {
    await call();
    latencies.push(performance.now() - start);
  } catch (error) {
    const key = `${kind}: ${(error as Error).message}`;
    failures[key] = (failures[key] ?? 0) + 1;
    if (kind === "health") healthFailures += 1;
  }
}

const options = { timeoutMs: DEADLINE_MS };
const validate = (transport: Transport) => () =>
  createClient(SessionService, transport).validate(
    { credential: { case: "cookie", value: cookie } },
    options,
  );

async function onNewConnection(): Promise<void> {
  const sessionManager = new Http2SessionManager(baseUrl);
  try {
    await measure("new connection", validate(createGrpcTransport({ baseUrl, sessionManager })));
  } finally {
    sessionManager.abort();
  }
}

process.on("message", () => {
  const figures: VictimFigures = summarize(latencies, failures, healthFailures);
  latencies = [];
  failures = {};
  healthFailures = 0;
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
