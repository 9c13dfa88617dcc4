import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import type { Logger } from "pino";
import type { DataSource } from "typeorm";
import {
  createClient,
  createDataSource,
  type DataSourceOptions,
  databaseAddress,
} from "./data-source.ts";
import { HostError, HostNotUsable, PrimaryLocator } from "./pg/primary-locator.ts";
import { settledOrAborted } from "./pg/settled-or-aborted.ts";
import { type MigrateOptions, migrate, UpgradeRefused } from "./schema/migrate.ts";
import {
  checkServerState,
  ReadOnlyDatabaseError,
  readServerState,
  readTimeline,
  type ServerState,
} from "./server-checks.ts";

export interface OpenDatabaseOptions
  extends Omit<DataSourceOptions, "url" | "primary">,
    Pick<MigrateOptions, "beforeUpgrade"> {
  /** The URL of each host of the database. Of several, the one that accepts writes is used. */
  readonly urls: readonly string[];
  /** How long to wait for a database that is not there yet; 0 ms: fail at once. */
  readonly startTimeoutMs: number;
  readonly log: Logger;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the names of the migrations that were applied, if there were any. */
  readonly onMigrated?: (names: readonly string[]) => void;
}

export interface OpenedDatabase {
  readonly dataSource: DataSource;
  /** Undefined if the database has one host. */
  readonly primary: PrimaryLocator | undefined;
}

const RETRY_MS = 500;
/** How long a server that has answered may take to close a connection. */
const CLOSE_MS = 250;

/**
 * Connects to the database, checks that sessiond can use it, and migrates it. While the database is
 * starting, restarting or failing over, it waits.
 *
 * @throws {Error} with the address and the cause, but without user and password; the cause of
 * an UpgradeRefused; the reason of the signal, as soon as it fires
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const { log } = options;
  const addresses = options.urls.map(databaseAddress);
  const address = addresses.map((host) => host.address).join(", ");
  if (addresses.some(({ isUnverifiedTls }) => isUnverifiedTls)) {
    log.warn(
      { address },
      "the database connection is encrypted, but sslmode=require accepts any server; " +
        "use verify-full in SESSIOND_DATABASE_URL",
    );
  }
  const primary = options.urls.length > 1 ? primaryLocator(options) : undefined;
  try {
    return { dataSource: await connectUntilTimeout(options, primary, address), primary };
  } catch (error) {
    // A connection that broke meanwhile may have begun a search.
    primary?.close();
    throw error;
  }
}

async function connectUntilTimeout(
  options: OpenDatabaseOptions,
  primary: PrimaryLocator | undefined,
  address: string,
): Promise<DataSource> {
  const { log, signal, startTimeoutMs } = options;
  const start = performance.now();
  const elapsedMs = () => Math.round(performance.now() - start);
  for (let isWaiting = false; ; isWaiting = true) {
    const attempt = connectOnce(options, primary, address);
    try {
      const dataSource = await settledOrAborted(attempt, signal);
      if (isWaiting) log.info({ address, waitedMs: elapsedMs() }, "the database is available");
      return dataSource;
    } catch (error) {
      if (signal?.aborted) attempt.then((dataSource) => dataSource.destroy()).catch(() => {});
      signal?.throwIfAborted();
      if (!(error instanceof OpenError) || !error.isTransient || startTimeoutMs === 0) throw error;
      if (elapsedMs() >= startTimeoutMs) {
        const waited = `waited ${startTimeoutMs / 1000} s (see SESSIOND_DATABASE_START_TIMEOUT)`;
        throw new OpenError(`${error.message}; ${waited}`, error, true);
      }
      if (!isWaiting) {
        log.warn(
          { address, timeoutMs: startTimeoutMs, reason: error.message },
          "waiting for the database",
        );
      }
    }
    const leftMs = startTimeoutMs - elapsedMs();
    await settledOrAborted(delay(Math.max(0, Math.min(RETRY_MS, leftMs))), signal);
  }
}

class OpenError extends Error {
  /** Whether the same attempt may succeed later. */
  readonly isTransient: boolean;

  constructor(message: string, cause: unknown, isTransient: boolean) {
    super(message, { cause });
    this.isTransient = isTransient;
  }
}

/** Asks the hosts on connections of its own. */
function primaryLocator(options: OpenDatabaseOptions): PrimaryLocator {
  const hosts = options.urls.map((url) => ({ url, address: databaseAddress(url).address }));
  return new PrimaryLocator(hosts, {
    probe: ({ url }) =>
      withClient(url, options, async (client) => {
        checkServerState(await readServerState(client));
        return readTimeline(client);
      }),
    onMove: (from, to) =>
      options.log.warn(
        { from: from.address, to: to.address },
        "the primary of the database has moved",
      ),
  });
}

async function connectOnce(
  options: OpenDatabaseOptions,
  primary: PrimaryLocator | undefined,
  address: string,
): Promise<DataSource> {
  await primary?.locate().catch((error: unknown) => {
    throw openError(`cannot use the database at ${address}`, error);
  });
  const url = primary?.current.url ?? (options.urls[0] as string);
  const dataSource = createDataSource({
    ...options,
    url,
    primary,
    onPoolError(error) {
      primary?.relocate();
      options.onPoolError(error);
    },
  });
  let state: ServerState;
  try {
    state = await withClient(url, options, readServerState);
    await dataSource.initialize();
  } catch (error) {
    throw openError(`cannot connect to the database at ${address}`, error);
  }
  try {
    checkServerState(state);
    const onNewerSchema = (migrations: readonly string[]) =>
      options.log.warn(
        { migrations },
        "the schema is that of a newer version of sessiond, which this version can use",
      );
    const applied = await migrate(dataSource, { ...options, onNewerSchema });
    if (applied.length > 0) {
      options.log.info({ migrations: applied }, "migrations applied");
      options.onMigrated?.(applied);
    }
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    if (error instanceof UpgradeRefused) throw error.cause;
    throw openError(`cannot use the database at ${address}`, error);
  }
}

/**
 * Asks the server something, on a connection of its own. PgBouncer accepts connections while its server is
 * down, and lets statements wait. TypeORM's first statements would wait without a limit.
 */
async function withClient<T>(
  url: string,
  { connectTimeoutMs }: Pick<DataSourceOptions, "connectTimeoutMs">,
  ask: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = createClient(url, connectTimeoutMs);
  client.on("error", () => {});
  try {
    await client.connect();
    return await ask(client);
  } finally {
    // A server that freezes after its answer never closes it.
    await Promise.race([client.end(), delay(CLOSE_MS, undefined, { ref: false })]);
    client.connection.stream.destroy();
  }
}

export function openError(what: string, cause: unknown): OpenError {
  return new OpenError(`${what}: ${explain(cause)}`, cause, isTransient(cause));
}

/**
 * SQLSTATEs, or their classes, of a server that is starting, stopping or has too many clients, and of a
 * migration that waits for a table.
 */
const TRANSIENT_STATES = ["08", "25006", "53", "55P03", "57P01", "57P02", "57P03"];

/** PgBouncer reports what it refuses with SQLSTATE 08P01, like the failure of a server. */
const REFUSED_BY_POOLER =
  /does not exist|authentication failed|^(no such|not allowed|unsupported startup parameter)/;

const TRANSIENT_CODES = [
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT"],
  ...["EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENOTFOUND", "EAI_AGAIN"],
  // The socket file of a server that does not run.
  "ENOENT",
];

/** What the driver says, without a code, when a server accepts a connection and does not answer. */
const NO_ANSWER = /^(Connection terminated|Query read timeout|timeout )/;

function isTransient(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isTransient);
  if (!(error instanceof Error)) return false;
  if (error instanceof ReadOnlyDatabaseError || error instanceof HostNotUsable) return true;
  const { code } = error as { readonly code?: unknown };
  if (typeof code === "string") {
    if (TRANSIENT_CODES.includes(code)) return true;
    if (TRANSIENT_STATES.some((state) => code.startsWith(state))) {
      return !REFUSED_BY_POOLER.test(error.message);
    }
    return false;
  }
  return NO_ANSWER.test(error.message) || (error.cause !== undefined && isTransient(error.cause));
}

/** Advice for failures whose messages do not say what to do. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /no pg_hba\.conf entry.*(no encryption|SSL off)/,
    "the server may require TLS: set sslmode=verify-full in SESSIOND_DATABASE_URL",
  ],
  [
    /server does not support SSL/,
    "SESSIOND_DATABASE_URL asks for TLS; sslmode=disable connects in plain text",
  ],
  [
    /self-signed certificate|unable to (get|verify)/,
    "sslrootcert in SESSIOND_DATABASE_URL must name the file of the server's certificate authority",
  ],
  [/^Query read timeout/, "neither the server nor a pooler in front of it has answered"],
  [/client password must be/, "SESSIOND_DATABASE_URL has no password"],
];

function explain(error: unknown): string {
  // For a host name with several addresses, and for several hosts, there is one error for each, and no message.
  if (error instanceof AggregateError) return error.errors.map(explain).join("; ");
  if (error instanceof HostError) return `${error.address}: ${explain(error.cause)}`;
  const message = error instanceof Error ? error.message : String(error);
  const advice = ADVICE.find(([pattern]) => pattern.test(message))?.[1];
  return advice === undefined ? message : `${message} (${advice})`;
}
