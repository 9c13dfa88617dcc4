/** A sessiond under load, with refusals, that a Prometheus scrapes: for the dashboard's test and picture. */
import { hash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { openSession, validate } from "../support/actors.ts";
import { type SessionClient, startReplica } from "../support/app.ts";
import { createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import { type Prometheus, startPrometheus } from "./prometheus.ts";

/** Calls in flight that one caller may have. */
const MAX_CALLS = 30;
const LOOPS = 4;
/** Between the calls of a loop. */
const PAUSE_MS = 40;

export interface RealRun extends AsyncDisposable {
  readonly prometheus: Prometheus;
  /** The database is away until `restore`. */
  refuse(): void;
  restore(): void;
}

export interface RealRunOptions {
  /** Of Prometheus. */
  readonly program: string;
  readonly databaseUrl: string;
  /** Such as `1s`. */
  readonly scrapeInterval: string;
}

/** Starts all, and calls sessiond until it is disposed of. */
export async function startRealRun(options: RealRunOptions): Promise<RealRun> {
  await using stack = new AsyncDisposableStack();
  const { program, databaseUrl, scrapeInterval } = options;
  const proxy = await startDatabaseProxy(databaseUrl);
  stack.defer(() => proxy.close());
  const tokens = { shop: newToken(), report: newToken(), ops: newToken() };
  const callers = await createTestFile(
    tokenLine(tokens.shop, { name: "shop", role: "issuer" }),
    tokenLine(tokens.report, { name: "report", role: "issuer" }),
    tokenLine(tokens.ops, { name: "ops", role: "admin" }),
  );
  stack.defer(() => callers.remove());
  const replica = await startReplica(proxy.url, {
    env: {
      SESSIOND_METRICS_PORT: "0",
      SESSIOND_CALLERS_FILE: callers.path,
      SESSIOND_MAX_CALLS_PER_CALLER: String(MAX_CALLS),
      SESSIOND_TLS_CERT: testCertificate,
      SESSIOND_TLS_KEY: testKey,
      SESSIOND_READINESS_TIMEOUT: "2s",
    },
  });
  stack.defer(() => replica.stop());

  const clientOf = (token: string): SessionClient => {
    const sessionManager = new SessionManager(replica.url, undefined, { ca: testCertificate });
    stack.defer(() => sessionManager.abort());
    const transport = createGrpcTransport({
      baseUrl: replica.url,
      sessionManager,
      interceptors: [withToken(token)],
    });
    return createClient(SessionService, transport);
  };
  const prometheus = await startPrometheus({
    program,
    config: {
      global: { scrape_interval: scrapeInterval, evaluation_interval: scrapeInterval },
      rule_files: [join(import.meta.dirname, "../../deploy/prometheus/rules.yaml")],
      scrape_configs: [
        {
          job_name: "sessiond",
          static_configs: [{ targets: [`127.0.0.1:${replica.app.metricsPort}`] }],
        },
      ],
    },
  });
  stack.use(prometheus);

  const ended = new AbortController();
  const { signal } = ended;
  const calling = [
    ...Array.from({ length: LOOPS }, (_, index) => browse(clientOf(tokens.shop), index, signal)),
    report(clientOf(tokens.report), signal),
    strangers(clientOf(newToken()), signal),
    sweeps(clientOf(tokens.ops), signal),
  ];
  stack.defer(async () => {
    ended.abort();
    await Promise.all(calling);
  });
  const started = stack.move();
  return {
    prometheus,
    refuse: () => proxy.refuse(),
    restore: () => proxy.restore(),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** Calls until the signal fires. Failures are part of the picture. */
async function repeat(
  pauseMs: number,
  signal: AbortSignal,
  call: (round: number) => Promise<unknown>,
): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1) {
    await call(round).catch(() => {});
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** As visitors of a shop: they log in, come back, and now and then log out or present nonsense. */
async function browse(client: SessionClient, loop: number, signal: AbortSignal): Promise<void> {
  let cookie = "";
  await repeat(PAUSE_MS, signal, async (round) => {
    const turn = round + 7 * loop;
    if (cookie === "" || turn % 50 === 0) ({ cookie } = await openSession(client));
    const session = { ref: { case: "cookie", value: cookie } } as const;
    if (turn % 40 === 0) await validate(client, forged(cookie));
    else if (turn % 25 === 0) await client.touch({ session });
    else if (turn % 35 === 0) await client.get({ session });
    else if (turn % 45 === 0) await client.revoke({ session });
    else await Promise.all(Array.from({ length: 4 }, () => validate(client, cookie)));
  });
}

/** Comes with too many calls at once. */
async function report(client: SessionClient, signal: AbortSignal): Promise<void> {
  const { id } = await openSession(client);
  const session = { ref: { case: "sessionId", value: id } } as const;
  await repeat(1000, signal, () =>
    Promise.allSettled(Array.from({ length: 2 * MAX_CALLS }, () => client.get({ session }))),
  );
}

/** Have no valid token. */
async function strangers(client: SessionClient, signal: AbortSignal): Promise<void> {
  await repeat(300, signal, () => validate(client, "nothing"));
}

async function sweeps(client: SessionClient, signal: AbortSignal): Promise<void> {
  await repeat(10_000, signal, () => client.garbageCollect({}));
}

/** The cookie with another signature. */
function forged(cookie: string): string {
  const end = hash("sha256", cookie, "base64url").slice(0, 8);
  return `${cookie.slice(0, -8)}${end}`;
}
