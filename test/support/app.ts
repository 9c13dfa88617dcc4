import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { pino } from "pino";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { type App, startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/config.ts";
import { serializeError } from "../../src/log/error-serializer.ts";
import type { RandomBytes } from "../../src/session/ids.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import type { LockWaiter } from "./until.ts";

export type SessionClient = Client<typeof SessionService>;

export const TEST_KEY_ENCRYPTION_KEY = Buffer.alloc(32, 7).toString("base64");

/**
 * Limits that no test reaches, however slow the machine is. A test of a limit sets its own, or
 * shortens it while it lasts.
 */
export const GENEROUS_LIMITS = {
  SESSIOND_MAX_DEADLINE: "10m",
  SESSIOND_READINESS_TIMEOUT: "10m",
  SESSIOND_DATABASE_STATEMENT_TIMEOUT: "10m",
  SESSIOND_DATABASE_QUEUE_TIMEOUT: "1m",
  SESSIOND_DATABASE_CONNECT_TIMEOUT: "1m",
};

export interface Replica extends LockWaiter {
  readonly app: App;
  readonly url: string;
  /** Over gRPC on HTTP/2. */
  readonly client: SessionClient;
  readonly transport: Transport;
  /** Ends statements after this long, from now on. */
  setStatementTimeout(ms: number): void;
  stop(): Promise<void>;
}

export interface ReplicaOptions {
  /** Settings by their variables' names. Undefined: without one that is set by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly random?: RandomBytes;
  /** Gets every line of the log, as JSON, at level trace. */
  readonly onLog?: (line: string) => void;
}

/** Options with these key-encryption keys, the first of which encrypts. */
export function withKeys(...keys: readonly string[]): ReplicaOptions {
  return { env: { SESSIOND_KEY_ENCRYPTION_KEYS: keys.join(",") } };
}

/** Starts sessiond in this process on a database, with nothing running by schedule. */
export async function startReplica(
  databaseUrl: string,
  options: ReplicaOptions = {},
): Promise<Replica> {
  const { onLog } = options;
  const config = loadConfig({
    SESSIOND_DATABASE_URL: databaseUrl,
    SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
    SESSIOND_PORT: "0",
    SESSIOND_SWEEP_SCHEDULE: "off",
    SESSIOND_SHUTDOWN_GRACE: "2s",
    ...GENEROUS_LIMITS,
    ...options.env,
  });
  const log = onLog
    ? pino({ level: "trace", serializers: { err: serializeError } }, { write: onLog })
    : pino({ level: "silent" });
  const app = await startApp({ config, log, ...(options.random && { random: options.random }) });
  const { url } = app.server;
  const sessionManager = new SessionManager(url);
  const transport = createGrpcTransport({ baseUrl: url, sessionManager });
  return {
    app,
    url,
    transport,
    client: createClient(SessionService, transport),
    lockWaits: () => app.storage.database.state().inUse.lock_waits,
    setStatementTimeout(ms) {
      // It is read anew for each statement.
      Object.assign(app.storage.database.options, { statementTimeoutMs: ms });
    },
    async stop() {
      sessionManager.abort();
      await app.stop();
    },
  };
}

export interface TestApp extends Replica {
  readonly database: TestDatabase;
  readonly sql: TestDatabase["sql"];
}

/** Starts sessiond on a database of its own; `stop` also drops that. */
export async function startTestApp(options: ReplicaOptions = {}): Promise<TestApp> {
  const database = await createTestDatabase();
  try {
    const replica = await startReplica(database.url, options);
    return {
      ...replica,
      database,
      sql: database.sql,
      async stop() {
        await replica.stop();
        await database.drop();
      },
    };
  } catch (error) {
    await database.drop();
    throw error;
  }
}
