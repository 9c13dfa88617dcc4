/**
 * Plays the conformance calls through @grpc/grpc-js with the stubs that @grpc/proto-loader makes of
 * proto/: what a user without a client package gets. Prints its address and ends when its input
 * closes.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  type ClientUnaryCall,
  credentials,
  InterceptingCall,
  type Interceptor,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createErrorDecoder } from "./errors.ts";

const ROOT = join(import.meta.dirname, "../../..");
const SERVICE = "sessiond.v1.SessionService";
const DEFAULT_DEADLINE_MS = 2000;

const IDEMPOTENT = [
  ...["Validate", "ValidateCsrf", "Touch", "Revoke", "RevokeAllForActor", "Get", "List"],
  ...["ListSessions", "RevokeSessions", "ListSigningKeys", "ListTokenKeys", "ListAuditEvents"],
  "GarbageCollect",
];

/** gRPC's own retries. They honour `grpc-retry-pushback-ms`, which sessiond sends with RetryInfo. */
const serviceConfig = {
  methodConfig: [
    {
      name: IDEMPOTENT.map((method) => ({ service: SERVICE, method })),
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: "0.05s",
        maxBackoff: "1s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
      },
    },
  ],
  retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
  loadBalancingConfig: [{ round_robin: {} }],
};

const includeDirs = [
  join(ROOT, "proto"),
  join(ROOT, "node_modules/@grpc/grpc-js-xds/deps/googleapis"),
];
const definition = loadSync("sessiond/v1/session_service.proto", {
  includeDirs,
  longs: String,
  enums: String,
  // As in the JSON of protobuf: what is not set is absent.
  defaults: false,
});
// biome-ignore lint/suspicious/noExplicitAny: proto-loader makes the types at run time.
const SessionService = (loadPackageDefinition(definition) as any).sessiond.v1
  .SessionService as ServiceClientConstructor;

const decodeError = createErrorDecoder(includeDirs);

interface Call {
  readonly rpc: string;
  readonly request: Json;
  readonly url?: string;
  readonly ca?: string;
  readonly token?: string;
  readonly deadlineMs?: number;
  readonly cancelAfterMs?: number;
  readonly retry?: boolean;
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Client = InstanceType<ServiceClientConstructor>;

const clients = new Map<string, Client>();

function clientOf(call: Call): Client {
  const { url = process.env.SESSIOND_URL ?? "", ca, token, retry } = call;
  const key = JSON.stringify([url, ca, token, retry]);
  const client = clients.get(key) ?? connect(url, call);
  clients.set(key, client);
  return client;
}

function connect(url: string, { ca, token, retry = true }: Call) {
  const { protocol, host } = new URL(url);
  const port = protocol === "https:" ? 443 : 80;
  const target = `dns:///${/:\d+$/.test(host) ? host : `${host}:${port}`}`;
  const security =
    protocol === "https:"
      ? credentials.createSsl(ca === undefined ? null : readFileSync(ca))
      : credentials.createInsecure();
  return new SessionService(target, security, {
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_retries": retry ? 1 : 0,
    "grpc.service_config": JSON.stringify(serviceConfig),
    // Call credentials need TLS, which a test on the loopback interface does not have.
    ...(token !== undefined && { interceptors: [bearer(token)] }),
  });
}

/** Sends the token with each call. */
function bearer(token: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set("authorization", `Bearer ${token}`);
        next(metadata, listener);
      },
    });
}

function makeCall(call: Call): Promise<Json> {
  const client = clientOf(call);
  const deadline = Date.now() + (call.deadlineMs ?? DEFAULT_DEADLINE_MS);
  return new Promise((resolve) => {
    const done = (error: ServiceError | null, response: Json) => {
      if (error === null) resolve({ ok: toJson(response) });
      else resolve({ error: toJson({ ...decodeError(error) } as unknown as Json) });
    };
    const request = fromJson(call.request);
    const started = client[call.rpc]?.(request, { deadline }, done) as ClientUnaryCall;
    if (call.cancelAfterMs !== undefined) setTimeout(() => started.cancel(), call.cancelAfterMs);
  });
}

const DURATIONS = new Set(["idleTimeout", "absoluteTimeout", "grace", "maxAuthAge"]);

/** The JSON of a request as protobufjs wants it: durations are no strings there. */
function fromJson(json: Json): Json {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  const entries = Object.entries(json as { [key: string]: Json }).map(([name, value]) => {
    return [
      name,
      DURATIONS.has(name) ? duration(Number.parseFloat(String(value))) : fromJson(value),
    ];
  });
  return Object.fromEntries(entries);
}

function duration(seconds: number): Json {
  const whole = Math.trunc(seconds);
  return { seconds: whole, nanos: Math.round((seconds - whole) * 1e9) };
}

/** A response of protobufjs as the JSON of protobuf: timestamps are strings there. */
function toJson(value: Json): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  const { seconds, nanos = 0, ...others } = value as { [key: string]: Json };
  if (seconds !== undefined && Object.keys(others).length === 0) {
    return new Date(Number(seconds) * 1000 + Number(nanos) / 1e6).toISOString();
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toJson(item)]));
}

const server = createServer(async (req, res) => {
  let body = "";
  for await (const chunk of req.setEncoding("utf8")) body += chunk;
  try {
    const answer = await makeCall(JSON.parse(body));
    res.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  } catch (error) {
    console.error(error);
    res.writeHead(500).end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ calls: { "grpc-js": `http://127.0.0.1:${port}` }, apps: {} }));
});
process.stdin.resume().once("close", () => process.exit());
