import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { startEmbeddedPostgres } from "../../packages/embedded-postgres/index.ts";
import { openSession } from "../support/actors.ts";
import { TEST_KEY_ENCRYPTION_KEY } from "../support/app.ts";
import { createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { createTestDatabase } from "../support/database.ts";
import { BANNER, startSessiond } from "../support/sessiond-process.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import type { Target, TargetKind } from "./attack.ts";
import { INSPECTABLE, inspectMemory, type Memory } from "./memory.ts";
import type { Access } from "./well-behaved-client.ts";

/** Of one actor, for the attack that logs one in again and again. */
export const SESSIONS_PER_ACTOR = 5;

/** Of one peer, for the attack that opens more. */
export const CONNECTIONS_PER_PEER = 1000;

/** In all, for the attack that opens more. */
export const MAX_STREAMS = 200;

type Env = Readonly<Record<string, string>>;

/**
 * What a sessiond of the suite gets: the defaults, except where an attack would otherwise have to be
 * larger to reach a limit.
 */
export function sessiondEnv(databaseUrl: string): Record<string, string> {
  return {
    SESSIOND_DATABASE_URL: databaseUrl,
    SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
    SESSIOND_MAX_SESSIONS_PER_ACTOR: String(SESSIONS_PER_ACTOR),
    SESSIOND_DATABASE_QUEUE_LIMIT: "200",
    SESSIOND_MAX_CONNECTIONS_PER_PEER: String(CONNECTIONS_PER_PEER),
    SESSIOND_MAX_STREAMS: String(MAX_STREAMS),
    SESSIOND_LOG_FORMAT: "json",
  };
}

/** The guards that settings can move out of the way. Without them, attacks must be seen to succeed. */
export const WITHOUT_GUARDS: Env = {
  SESSIOND_ALLOWED_HOSTS: "*",
  SESSIOND_ALLOWED_ORIGINS: "https://evil.example,http://evil.example",
  SESSIOND_DATABASE_QUEUE_LIMIT: "1000000",
  SESSIOND_DATABASE_QUEUE_TIMEOUT: "1m",
  SESSIOND_MAX_CONNECTIONS_PER_PEER: "10000",
  SESSIOND_MAX_DEADLINE: "10m",
  SESSIOND_MAX_HEADER_BYTES: "1MiB",
  SESSIOND_MAX_SESSIONS_PER_ACTOR: "0",
  SESSIOND_MAX_STREAMS: "1000000",
  SESSIOND_MAX_STREAMS_PER_CONNECTION: "100000",
};

export interface StartedTarget extends Target, AsyncDisposable {
  /** How the well-behaved client calls it. */
  readonly access: Access;
  readonly memory: Memory;
  /** What it has logged so far. */
  readonly log: string;
  /** Ends sessiond, and returns what was wrong with its end or with its log. */
  stop(): Promise<readonly string[]>;
}

/** Starts a PostgreSQL and a sessiond. */
export async function startTarget(kind: TargetKind, env: Env = {}): Promise<StartedTarget> {
  await using stack = new AsyncDisposableStack();
  const dataDirectory = await mkdtemp(join(tmpdir(), "sessiond-hostile-"));
  stack.defer(() => rm(dataDirectory, { recursive: true, force: true }));
  await chmod(dataDirectory, 0o755);
  const settings = { max_connections: "200" };
  const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true, settings });
  stack.defer(() => postgres.stop());
  process.env.SESSIOND_TEST_SERVER_URL = postgres.url;
  const database = await createTestDatabase({ empty: true });
  stack.defer(() => database.drop());

  const credentials = kind === "plain" ? plain : await createCredentials();
  stack.defer(credentials.remove);
  const sessiond = startSessiond({
    env: { ...sessiondEnv(database.url), ...credentials.env, ...env },
    nodeArgs: INSPECTABLE,
  });
  stack.defer(async () => void (await sessiond.end("SIGKILL")));
  const memory = await inspectMemory(sessiond);
  stack.use(memory);
  const url = await sessiond.says(BANNER);
  const { token, ca } = credentials;
  const sessionManager = new SessionManager(url, undefined, ca === "" ? {} : { ca });
  stack.defer(() => sessionManager.abort());
  const interceptors = token === "" ? [] : [withToken(token)];
  const client = createClient(
    SessionService,
    createGrpcTransport({ baseUrl: url, sessionManager, interceptors }),
  );
  const { cookie } = await openSession(client);
  const { hostname: host, port } = new URL(url);
  const owned = stack.move();
  return {
    host,
    port: Number(port),
    url,
    pid: sessiond.pid,
    database,
    client,
    attackerToken: credentials.attackerToken,
    access: { url, cookie, token, ca },
    memory,
    open: () => openSession(client),
    get log() {
      return sessiond.stderr;
    },
    async stop() {
      sessionManager.abort();
      // While a debugger is connected, Node does not exit.
      memory[Symbol.dispose]();
      const { code, signal, stderr } = await sessiond.end("SIGTERM");
      const problems = code === 0 ? [] : [`sessiond ended with ${code ?? signal}`];
      return [...problems, ...defectsIn(stderr)];
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const plain = { env: {}, token: "", attackerToken: "", ca: "", remove: async () => {} };

/** Two callers of the same role, of whom one attacks. */
async function createCredentials(): Promise<typeof plain> {
  const token = newToken();
  const attackerToken = newToken();
  const callers = await createTestFile(
    tokenLine(token, { name: "well-behaved", role: "admin" }),
    tokenLine(attackerToken, { name: "attacker", role: "admin" }),
  );
  const env = {
    SESSIOND_CALLERS_FILE: callers.path,
    SESSIOND_TLS_CERT: testCertificate,
    SESSIOND_TLS_KEY: testKey,
    SESSIOND_MAX_CALLS_PER_CALLER: "200",
  };
  return { env, token, attackerToken, ca: testCertificate, remove: callers.remove };
}

/** What sessiond has logged as a defect of its own, each kind once. */
export function defectsIn(log: string): string[] {
  const defects = new Map<string, number>();
  for (const line of log.split("\n")) {
    // gRPC asks for this code, and the caller is wrong.
    if (line.includes("do not know how to decompress")) continue;
    if (!/"code":"(INTERNAL|UNKNOWN)"|uncaughtException/.test(line)) continue;
    const key = line.replace(/\d+/g, "0").slice(0, 300);
    defects.set(key, (defects.get(key) ?? 0) + 1);
  }
  return [...defects].map(([line, count]) => `logged ${count} times: ${line}`);
}
