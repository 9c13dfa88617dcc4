import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { startEmbeddedPostgres } from "../../packages/embedded-postgres/index.ts";
import { openSession } from "../support/actors.ts";
import { TEST_KEY_ENCRYPTION_KEY } from "../support/app.ts";
import { createTestDatabase } from "../support/database.ts";
import { BANNER, startSessiond } from "../support/sessiond-process.ts";
import type { Target } from "./attack.ts";

/** Of one actor, for the attack that logs one in again and again. */
export const SESSIONS_PER_ACTOR = 5;

/** What a sessiond of the suite gets: the defaults, except where an attack needs a lower limit. */
export function sessiondEnv(databaseUrl: string): Record<string, string> {
  return {
    SESSIOND_DATABASE_URL: databaseUrl,
    SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
    SESSIOND_MAX_SESSIONS_PER_ACTOR: String(SESSIONS_PER_ACTOR),
    SESSIOND_LOG_FORMAT: "json",
  };
}

export interface StartedTarget extends Target, AsyncDisposable {
  /** What it has logged so far. */
  readonly log: string;
  /** Ends sessiond, and returns what was wrong with its end or with its log. */
  stop(): Promise<readonly string[]>;
}

/** Starts a PostgreSQL and a sessiond. */
export async function startTarget(): Promise<StartedTarget> {
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
  const sessiond = startSessiond({ env: sessiondEnv(database.url) });
  stack.defer(async () => void (await sessiond.end("SIGKILL")));
  const url = await sessiond.says(BANNER);
  const sessionManager = new Http2SessionManager(url);
  stack.defer(() => sessionManager.abort());
  const client = createClient(
    SessionService,
    createGrpcTransport({ baseUrl: url, sessionManager }),
  );
  const { hostname: host, port } = new URL(url);
  const owned = stack.move();
  return {
    host,
    port: Number(port),
    url,
    pid: sessiond.pid,
    database,
    client,
    open: () => openSession(client),
    get log() {
      return sessiond.stderr;
    },
    async stop() {
      sessionManager.abort();
      const { code, signal, stderr } = await sessiond.end("SIGTERM");
      const problems = code === 0 ? [] : [`sessiond ended with ${code ?? signal}`];
      return [...problems, ...defectsIn(stderr)];
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
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
