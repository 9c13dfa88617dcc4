import pg from "pg";
import { AbstractLogger, DataSource } from "typeorm";
import { auditEventEntity } from "./audit/audit-event-entity.ts";
import { DataRowClient } from "./pg/data-row-client.ts";
import type { PrimaryLocator } from "./pg/primary-locator.ts";
import { MIGRATIONS_TABLE } from "./schema/migrate.ts";
import { migrations } from "./schema/migrations/index.ts";
import { ReadOnlyDatabaseError } from "./server-checks.ts";
import { sessionEntity } from "./sessions/session-entity.ts";
import { signingKeyEntity } from "./signing-keys/signing-key-entity.ts";
import { tokenKeyEntity } from "./token-keys/token-key-entity.ts";

export interface DataSourceOptions {
  readonly url: string;
  readonly poolSize: number;
  readonly connectTimeoutMs: number;
  /** Called when a connection breaks while it is idle in the pool. */
  readonly onPoolError: (error: Error & { readonly code?: string }) => void;
  /** Of the URL's hosts, if there are several. Connections are to its current one only. */
  readonly primary?: PrimaryLocator | undefined;
}

/**
 * The data source for PostgreSQL. `synchronize` is off: only migrations change the schema.
 *
 * The URL goes to the driver alone. TypeORM would parse it too, in its own way.
 */
export function createDataSource(options: DataSourceOptions): DataSource {
  return new DataSource({
    type: "postgres",
    // Else TypeORM requires it by its name, which does not exist in a bundle.
    driver: pg,
    entities: [sessionEntity, signingKeyEntity, tokenKeyEntity, auditEventEntity],
    migrations: [...migrations],
    migrationsTableName: MIGRATIONS_TABLE,
    synchronize: false,
    installExtensions: false,
    logger: new NoLogger(),
    poolSize: options.poolSize,
    poolErrorHandler: options.onPoolError,
    applicationName: "sessiond",
    extra: {
      connectionString: connectionString(options.url),
      connectionTimeoutMillis: options.connectTimeoutMs,
      keepAlive: true,
      Client: options.primary === undefined ? DataRowClient : primaryClient(options.primary),
    },
  });
}

/** Parameters that a standby, and a server that is read-only, reports as `on` when a connection begins. */
const READ_ONLY_PARAMETERS = ["in_hot_standby", "default_transaction_read_only"];

/** A client that connects to the primary, and whose connection is closed when another host has become that. */
function primaryClient(primary: PrimaryLocator) {
  return class extends DataRowClient {
    constructor(config: pg.ClientConfig) {
      super({ ...config, connectionString: connectionString(primary.current.url) });
      const { address } = primary.current;
      const close = (error: Error) => void this.connection.stream.destroy(error);
      const leave = () => close(new Error(`${address} is not the primary any more`));
      const unfollow = primary.follow(leave);
      this.once("end", unfollow);
      this.connection.on("parameterStatus", ({ parameterName, parameterValue }) => {
        if (!READ_ONLY_PARAMETERS.includes(parameterName) || parameterValue !== "on") return;
        close(new ReadOnlyDatabaseError(`${address} is read-only (${parameterName} is on)`));
      });
    }
  };
}

/** TypeORM's own loggers print a migration that fails, even with `logging: false`. */
class NoLogger extends AbstractLogger {
  protected writeLog(): void {}
}

/** A connection that ends if the server does not answer a statement within the connect timeout. */
export function createClient(url: string, connectTimeoutMs: number): pg.Client {
  return new pg.Client({
    connectionString: connectionString(url),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: connectTimeoutMs,
    application_name: "sessiond",
  });
}

/** Where the database is, without user and password: host and port, or the path of a Unix socket. */
export interface DatabaseAddress {
  readonly address: string;
  /** The connection is encrypted, but to any server that answers. */
  readonly isUnverifiedTls: boolean;
}

/**
 * What the driver makes of the URL.
 *
 * @throws {Error} if a file that the URL names cannot be read, such as that of sslrootcert
 */
export function databaseAddress(url: string): DatabaseAddress {
  let client: pg.Client;
  try {
    client = new pg.Client({ connectionString: connectionString(url) });
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (path === undefined) throw error;
    throw new Error(`the file ${path} that the database URL names cannot be read (${code})`, {
      cause: error,
    });
  }
  const { host, port } = client;
  // The types say that it is a boolean.
  const ssl: unknown = client.ssl;
  const isUnverifiedTls = (ssl as { rejectUnauthorized?: boolean }).rejectUnauthorized === false;
  const isIpV6 = host.includes(":");
  const address = host.startsWith("/")
    ? `${host}/.s.PGSQL.${port}`
    : `${isIpV6 ? `[${host}]` : host}:${port}`;
  return { address, isUnverifiedTls };
}

/** With libpq's meaning of sslmode. The driver has another one by default, until its version 9. */
function connectionString(url: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}uselibpqcompat=true`;
}
